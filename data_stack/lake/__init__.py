"""The lake: Parquet files of the loads that passed, and manifests that name the current ones, for any engine."""
