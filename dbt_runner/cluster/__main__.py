"""Our own Spark: `python -m dbt_runner.cluster up` and `down` for processes of this machine.

In a container, `serve ROLE` is its process, and `check ROLE` its health check.
"""

import sys

from data_stack.errors import DataStackError, UsageError
from data_stack.settings import Settings
from dbt_runner.cluster.containers import find_container_layout, serve
from dbt_runner.cluster.health import check_role
from dbt_runner.cluster.layout import Layout, find_layout
from dbt_runner.cluster.processes import start_cluster, stop_cluster


def main(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code.

    Args:
        arguments: `up` or `down`, or `serve` or `check` and a role.
    """
    try:
        sys.stdout.write(_run(arguments, Settings.load()) + "\n")
    except DataStackError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _run(arguments: list[str], settings: Settings) -> str:
    match arguments:
        case ["up"]:
            return _start(find_layout(settings))
        case ["down"]:
            return f"ended {', '.join(stop_cluster(find_layout(settings))) or 'nothing: Spark was not running'}"
        case ["serve", role]:
            serve(find_container_layout(settings), role)
        case ["check", role]:
            return check_role(find_container_layout(settings), role)
    raise UsageError("python -m dbt_runner.cluster takes up or down; in a container, serve or check and a role")


def _start(layout: Layout) -> str:
    start_cluster(layout)
    port = layout.settings.spark_port
    return f"Spark answers on 127.0.0.1:{port}; use it with ENGINE=spark, end it with `make spark-down`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
