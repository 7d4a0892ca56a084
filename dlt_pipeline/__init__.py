"""Ingestion: each source reads its provider and loads typed Arrow batches through dlt into its raw DuckDB file."""
