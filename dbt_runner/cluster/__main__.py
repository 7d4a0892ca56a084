"""Starts and ends the local Spark: `python -m dbt_runner.cluster up`, `down`."""

import sys

from data_stack.errors import DataStackError, UsageError
from data_stack.settings import Settings
from dbt_runner.cluster.layout import find_layout
from dbt_runner.cluster.processes import start_cluster, stop_cluster


def main(arguments: list[str]) -> int:
    """Start or end the processes; returns the exit code.

    Args:
        arguments: `up` or `down`.
    """
    try:
        sys.stdout.write(_run(arguments) + "\n")
    except DataStackError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _run(arguments: list[str]) -> str:
    layout = find_layout(Settings.load())
    if arguments == ["up"]:
        start_cluster(layout)
        port = layout.settings.spark_port
        return f"Spark answers on 127.0.0.1:{port}; use it with ENGINE=spark, end it with `make spark-down`"
    if arguments == ["down"]:
        return f"ended {', '.join(stop_cluster(layout)) or 'nothing: Spark was not running'}"
    raise UsageError("python -m dbt_runner.cluster takes one argument, up or down")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
