"""Runs the dbt project in `dbt/`: build with tests, and the generated documentation."""
