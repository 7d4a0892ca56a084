"""Ingestion: each source reads its provider and loads typed Arrow batches through dlt into its raw DuckDB file."""

import os

# read by dlt when it is first imported, whoever imports it: no telemetry; Airflow's secrets backend costs seconds and
# creates a database; every row carries its load
os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",  # its logged tracebacks quote rows
        "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
        "NORMALIZE__WORKERS": "1",
        "LOAD__WORKERS": "2",
        "LOAD__DELETE_COMPLETED_JOBS": "true",
    }
)
