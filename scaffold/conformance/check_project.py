"""The layer dbt: what the staging models and the others say, where dbt can read the project."""

from collections.abc import Iterator

from scaffold.conformance.check_models import check_models
from scaffold.conformance.check_staging import check_staging
from scaffold.conformance.facts import Facts
from scaffold.conformance.findings import Finding


def check_project(facts: Facts) -> Iterator[Finding]:
    """Every check of the dbt project."""
    if facts.project.problem:
        yield Finding("dbt", (), "dbt/dbt_project.yml", facts.project.problem)
        return
    yield from check_staging(facts)
    yield from check_models(facts)
