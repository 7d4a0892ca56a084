"""What the agents of the roles look up beside metrics, and which permission each tool needs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anyio.to_thread import run_sync
from pydantic import BaseModel
from pydantic_ai import ModelRetry, RunContext

from data_stack.errors import DataStackError, UsageError
from data_stack.held_back import find_held_back
from data_stack.ops import Ops
from data_stack.publications import find_publication
from data_stack.role import Role
from data_stack.settings import Settings
from serving.confirmation import PendingRun
from serving.mcp_tools import Tools
from serving.roles import Permission
from serving.roof import Roof

ROWS_MAX = 100
"""Rows of a select, and outcomes of gates, that a model gets."""
RUNS_MAX = 20

# neither keys of rows nor observed values, which can be personal
_FAILED = """
select source, load_id, expectation, column_name, severity, checked, unexpected, reason, evaluated_at_utc
from validations where success = 0 order by rowid desc limit ?
"""


@dataclass
class Desk:
    """What the tools of one run of an agent work with.

    Attributes:
        role: Of the agent.
        question: What was asked.
        settings: Whose data folder.
        tools: Read it.
        roof: Reads the lineage, starts runs.
        report: Takes each step, for people.
        seen: What was found in the conversation, as JSON.
        pending: A run that the agent asks for.
    """

    role: Role
    question: str
    settings: Settings
    tools: Tools
    roof: Roof
    report: Callable[[str], None]
    seen: list[str] = field(default_factory=list)
    pending: PendingRun | None = None

    async def look(self, step: str, read: Callable[..., BaseModel | Mapping[str, Any]], *arguments: Any) -> Any:
        """Read something for the model.

        Args:
            step: What happens, for people.
            read: Reads it.
            arguments: Of `read`.

        Raises:
            ModelRetry: It cannot be asked so; says how.
        """
        self.report(step)
        try:
            found = await run_sync(read, *arguments)
        except UsageError as error:
            raise ModelRetry(str(error)) from error
        except DataStackError as error:
            return {"failed": str(error)}
        shown = found.model_dump(mode="json") if isinstance(found, BaseModel) else dict(found)
        self.seen.append(json.dumps(shown, default=str))
        return shown


async def describe_tables(context: RunContext[Desk], table: str | None = None) -> Any:
    """Describe the published tables in short, or one of them (`core.name`, `marts.name`) with its columns."""
    desk = context.deps
    return await desk.look(f"looks what {table or 'the tables'} have", desk.tools.describe, desk.role, table)


async def query_tables(context: RunContext[Desk], sql: str) -> Any:
    """Ask the published tables with one select of DuckDB's SQL; name the schema of each table."""
    desk = context.deps
    return await desk.look("asks the published tables", desk.tools.query, desk.role, sql, ROWS_MAX)


async def read_lineage(context: RunContext[Desk], node: str) -> Any:
    """Read where the data of a source, table, model, page, notebook or file comes from, and what it reaches."""
    desk = context.deps
    read = desk.roof.read_lineage
    if read is None:
        return {"failed": "the lineage cannot be read here; `data-stack lineage` shows it"}
    return await desk.look(f"looks where {node} comes from", read, node)


async def read_status(context: RunContext[Desk]) -> Any:
    """Read the state of the platform: publication, days of each source, held back sources, pending loads, last runs."""
    return await context.deps.look("looks at the state of the platform", _read_status, context.deps)


async def read_runs(context: RunContext[Desk], run_id: str | None = None) -> Any:
    """List the latest runs, or read one with its steps."""
    desk = context.deps
    return await desk.look("looks at the runs", desk.tools.list_runs, desk.role, run_id, RUNS_MAX)


async def read_gates(context: RunContext[Desk]) -> Any:
    """Read which sources are held back and why, and the latest expectations that failed."""
    return await context.deps.look("looks at the gates", _read_gates, context.deps)


async def read_rejects(context: RunContext[Desk], source_name: str | None = None) -> Any:
    """Count the rejected rows of a source, or of all, by reason."""
    desk = context.deps
    return await desk.look("counts rejected rows", desk.tools.list_rejects, desk.role, source_name, ROWS_MAX)


Tool = Callable[..., Any]

TOOLS: dict[Tool, Permission] = {
    describe_tables: Permission.QUERY_TABLES,
    query_tables: Permission.QUERY_TABLES,
    read_lineage: Permission.READ_LINEAGE,
    read_status: Permission.READ_RUNS,
    read_runs: Permission.READ_RUNS,
    read_gates: Permission.READ_RUNS,
    read_rejects: Permission.READ_RUNS,
}
"""What each tool needs; an agent has those that its role may use."""


def _read_gates(desk: Desk) -> dict[str, Any]:
    ops = Ops.existing(desk.settings)
    return {
        "held_back": [vars(held) for held in find_held_back(ops.query)] if ops else [],
        "failed_expectations": ops.query(_FAILED, [ROWS_MAX]) if ops else [],
    }


def _read_status(desk: Desk) -> dict[str, Any]:
    ops, published = Ops.existing(desk.settings), find_publication(desk.settings.warehouse_file)
    return {
        "publication_id": published and published.publication_id,
        "published_at_utc": published and f"{published.published_at_utc}",
        "sources": [
            {
                "name": state.source.name,
                "rows": state.rows,
                "data_through": state.data_through and f"{state.data_through}",
            }
            for state in (published.sources if published else ())
        ],
        "held_back": [vars(held) for held in find_held_back(ops.query)] if ops else [],
        "pending_loads": [_name_load(load) for load in (ops.open_loads() if ops else [])],
        "last_runs": desk.tools.list_runs(desk.role, None, 5).model_dump(mode="json")["runs"],
    }


def _name_load(load: Mapping[str, Any]) -> dict[str, Any]:
    return {name: load[name] for name in ("source", "load_id", "rows_loaded", "loaded_at_utc")}
