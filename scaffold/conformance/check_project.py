"""The layer dbt: what the staging models and the others say, where dbt can read the project."""

from collections.abc import Iterator

from scaffold.conformance.check_models import check_models
from scaffold.conformance.check_staging import check_staging, finding
from scaffold.conformance.facts import Facts, has_file
from scaffold.conformance.findings import Finding


def check_project(facts: Facts) -> Iterator[Finding]:
    """Every check of the dbt project."""
    for source in facts.sources:
        days = f"days_of_{source.name}.sql"
        if not has_file(f"dbt/models/*/{days}"):
            yield finding(
                source, f"dbt/models/core/{days}", "the days of the source are missing, which `dim_dates` needs"
            )
    if facts.project.problem:
        yield Finding("dbt", (), "dbt/dbt_project.yml", facts.project.problem)
        return
    yield from check_staging(facts)
    yield from check_models(facts)
