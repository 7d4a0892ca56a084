"""Ingestion: each source reads its provider and loads typed Arrow batches through dlt into its raw DuckDB file."""

import os

# dlt reads these when it is first imported, by whichever module: no telemetry; no Airflow secrets backend, which costs
# seconds and creates a database; the load id in every row. A variable that the user has
# set wins.
_DLT_DEFAULTS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # its logged tracebacks quote rows
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    "NORMALIZE__WORKERS": "1",
    "LOAD__WORKERS": "2",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
for _name, _value in _DLT_DEFAULTS.items():
    os.environ.setdefault(_name, _value)
