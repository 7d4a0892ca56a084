"""Raw files of earlier versions: what was renamed since is renamed in them, and dlt compares their tables anew."""

import shutil

from data_stack.raw import change_raw, query_raw
from data_stack.registry import Source
from data_stack.settings import Settings

# the batch that a row came with was called a file, before there were sources without files
_OUTDATED = "select table_name from duckdb_columns() where schema_name = 'raw' and column_name = 'source_file'"


def upgrade_raw_file(settings: Settings, source: Source) -> None:
    """Bring a raw file of an earlier version to the present columns; a kill in between is completed by the next call.

    Args:
        settings: Whose raw file.
        source: The source; the caller holds its lock exclusively.
    """
    outdated = [table for (table,) in query_raw(settings, source, _OUTDATED)]
    if not outdated:
        return
    # dlt remembers the columns, here and in the raw file
    shutil.rmtree(settings.dlt_state_dir(source.name), ignore_errors=True)
    with change_raw(settings, source) as db:
        for table in outdated:
            db.execute(f"alter table raw.{table} rename column source_file to batch")
        for table in ("_dlt_version", "_dlt_pipeline_state"):
            db.execute(f"drop table if exists raw.{table}")
        db.execute("drop schema if exists raw_staging cascade")
