"""Reads the DAGs as JSON; in a process of its own, as Airflow sets up logging and a home when it is imported.

Run as `python -m scaffold.conformance.dags`.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_stack.settings import PROJECT_ROOT
from scaffold.conformance.processes import MARK

DAGS = Path("airflow") / "dags"


def read(_: Sequence[str]) -> dict[str, Any]:
    """Tasks of every DAG by file: upstream tasks, trigger rule and group; `problem` where a file cannot be imported."""
    sys.path.insert(0, str(PROJECT_ROOT / DAGS))
    return {
        str(path.relative_to(PROJECT_ROOT)): _read_file(path) for path in sorted((PROJECT_ROOT / DAGS).glob("*.py"))
    }


def _read_file(path: Path) -> dict[str, Any]:
    from airflow.sdk import DAG

    try:
        module = importlib.import_module(path.stem)
        # what `@dag` decorates
        factories = [
            found for found in vars(module).values() if inspect.isfunction(found) and hasattr(found, "__wrapped__")
        ]
        made = [factory() for factory in factories]
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {error}", "tasks": {}}
    return {
        "problem": "",
        "tasks": {task.task_id: _read_task(task) for dag in made if isinstance(dag, DAG) for task in dag.tasks},
    }


def _read_task(task: Any) -> dict[str, Any]:
    return {
        "upstream": sorted(task.upstream_task_ids),
        "rule": str(task.trigger_rule.value),
        "group": task.task_group.group_id if task.task_group else None,
    }


if __name__ == "__main__":
    print(MARK + json.dumps(read(sys.argv[1:])))
