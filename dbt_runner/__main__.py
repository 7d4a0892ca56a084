"""Runs a dbt command by hand on the files of `DATA_DIR`: `python -m dbt_runner show --inline "select ..."`."""

import sys

from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, set_dbt_variables


def main() -> int:
    """Run dbt with the arguments of the command line; returns its exit code."""
    from dbt.cli.main import dbtRunner

    folders = ["--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
    with set_dbt_variables(Settings.load()):
        return 0 if dbtRunner().invoke([*sys.argv[1:], *folders]).success else 1


if __name__ == "__main__":
    sys.exit(main())
