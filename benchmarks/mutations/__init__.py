"""Faults to plant in the layers of a source, for `conformance_mutations.py`: `MUTATIONS` in a file per source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A fault in one file.

    Attributes:
        layer: Where it is.
        name: What it is.
        file: Path from the project's folder.
        old: Text that is replaced, once; empty: the file is removed.
        new: What replaces it.
    """

    layer: str
    name: str
    file: str
    old: str = ""
    new: str = ""


STG, CORE, MARTS = "dbt/models/staging/", "dbt/models/core/", "dbt/models/marts/"
DAG = "airflow/dags/bike_weather_dag.py"
TO_DATES = (
    "          - relationships:\n              arguments:\n                to: ref('dim_dates')\n"
    "                field: date_local\n"
)
NOT_NULL = "        data_tests:\n          - not_null\n"
