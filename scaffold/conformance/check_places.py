"""The places of a source outside the data's way: DAG, pages, sample, settings, tests, documents."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from data_stack.registry import Source, source_names
from data_stack.settings import PROJECT_ROOT
from scaffold.conformance.check_suite import check_cases
from scaffold.conformance.facts import Facts, has_file
from scaffold.conformance.findings import Finding
from scaffold.conformance.project import bind_query, open_published

_PASSES_FAILURES = "all_done_min_one_success"
_CHAIN = ("dbt_build", "publish", "docs", "report_held_back")
_JOINT_IDENTITIES = "tests/dbt/*_identities.py"
_PARTS = ("provider", "clean", "cases", "golden", "pages")


def check_dag(facts: Facts) -> Iterator[Finding]:
    """The DAG ingests and validates every source before it builds, and goes on where one of them fails."""
    if "dags" in facts.problems:
        yield Finding("dag", (), "airflow/dags", f"the DAG cannot be read: {facts.problems['dags']}")
        return
    for file, dag in facts.dags.items():
        if dag["problem"]:
            yield Finding("dag", (), file, f"cannot be imported: {dag['problem']}")
            continue
        yield from _check_chain(file, dag["tasks"])
        for source in facts.sources:
            yield from _check_group(source, file, dag["tasks"])


def _check_chain(file: str, tasks: dict[str, Any]) -> Iterator[Finding]:
    missing = [name for name in ("choose_window", *_CHAIN) if name not in tasks]
    if missing:
        yield Finding("dag", (), file, f"the tasks {', '.join(missing)} are missing")
        return
    edges = [("choose_window", "dbt_build"), *pairwise(_CHAIN)]
    for before, after in edges:
        if before not in tasks[after]["upstream"]:
            yield Finding("dag", (), file, f"{after} does not follow {before}; add the edge")
    if tasks["dbt_build"]["rule"] != _PASSES_FAILURES:
        yield Finding(
            "dag", (), file, f"dbt_build has not the trigger rule {_PASSES_FAILURES}: one source would stop all"
        )


def _check_group(source: Source, file: str, tasks: dict[str, Any]) -> Iterator[Finding]:
    ingest, validate = f"ingest_{source.name}", f"validate_{source.name}"
    missing = [name for name in (ingest, validate) if name not in tasks]
    if missing:
        yield Finding("dag", (source.name,), file, f"the tasks {', '.join(missing)} are missing")
        return
    edges = (("choose_window", ingest), ("choose_window", validate), (ingest, validate), (validate, "dbt_build"))
    for before, after in edges:
        if after in tasks and before not in tasks[after]["upstream"]:
            yield Finding("dag", (source.name,), file, f"{after} does not follow {before}; add the edge")
    if tasks[validate]["rule"] != _PASSES_FAILURES:
        message = f"{validate} has not the trigger rule {_PASSES_FAILURES}, which judges a load of an earlier run again"
        yield Finding("dag", (source.name,), file, message)


def check_pages(facts: Facts) -> Iterator[Finding]:
    """Every source is on a page, and every page reads tables and columns that are built."""
    problem = facts.problems.get("pages") or facts.pages.get("problem")
    if problem:
        yield Finding("page", (), "streamlit_app/app_pages", f"the pages cannot be read: {problem}")
        return
    if facts.project.problem:
        return
    for name, page in facts.pages["pages"].items():
        yield from _check_page(facts, name, page)
    yield from _check_exposed_pages(facts)
    yield from _check_queries(facts)
    for source in facts.sources:
        if not any(source.name in page["sources"] for page in facts.pages["pages"].values()):
            file = f"streamlit_app/app_pages/{source.name}.py"
            yield Finding("page", (source.name,), file, "no page has this source in its sources; add a page")


def _check_page(facts: Facts, name: str, page: dict[str, Any]) -> Iterator[Finding]:
    file, project = f"streamlit_app/app_pages/{name}.py", facts.project
    sources = tuple(one for one in page["sources"] if one in source_names())
    for one in sorted(set(page["sources"]) - set(sources)):
        yield Finding("page", sources, file, f"sources has {one}, which is not in the registry")
    for table in page["tables"]:
        if project.find_table(table) is None:
            yield Finding("page", sources, file, f"tables has {table}, which no model builds")
    test = f"tests/streamlit_app/test_app_{name}.py"
    if not has_file(test):
        yield Finding("page", sources, test, f"the tests of the page {name} are missing")
    yield from _check_exposure(facts, name, page, sources)


def _check_exposure(facts: Facts, name: str, page: dict[str, Any], sources: tuple[str, ...]) -> Iterator[Finding]:
    """The exposure of a page reads the page's tables, and comes from its sources."""
    manifest = facts.project.manifest
    file = f"dbt/models/exposures/page_{name}.yml"
    exposure = next((one for one in manifest.exposures.values() if one.name == f"page_{name}"), None)
    if exposure is None:
        yield Finding("page", sources, file, f"the page {name} has no exposure page_{name}; add it")
        return
    file = f"dbt/{exposure.original_file_path}"
    read = {f"{node.schema}.{node.alias}" for one in exposure.depends_on.nodes if (node := manifest.nodes.get(one))}
    for table in sorted(set(page["tables"]) - read):
        yield Finding("page", sources, file, f"page_{name} does not depend on {table}, which is in tables of the page")
    upstream = facts.project.upstream[exposure.unique_id]
    for one in sorted(set(sources) - set(upstream)):
        yield Finding(
            "page", sources, file, f"page_{name} depends on no table of {one}, which is in sources of the page"
        )


def _check_exposed_pages(facts: Facts) -> Iterator[Finding]:
    """The exposure of a page has its page."""
    for unique_id, exposure in facts.project.manifest.exposures.items():
        page = exposure.name.removeprefix("page_")
        if page != exposure.name and page not in facts.pages["pages"]:
            file = f"streamlit_app/app_pages/{page}.py"
            message = f"the page of the exposure {exposure.name} is missing; restore it or remove the exposure"
            yield Finding("page", facts.project.upstream[unique_id], file, message)


def _check_queries(facts: Facts) -> Iterator[Finding]:
    """The SQL of the pages can be bound on the tables that the models give."""
    with open_published(facts.project) as db:
        for module, queries in facts.pages["queries"].items():
            sources = tuple(facts.pages["pages"].get(module, {}).get("sources", ()))
            for name, sql in queries.items():
                problem = bind_query(db, re.sub(r"\$\w+", "null", sql))
                if problem:
                    yield Finding(
                        "page", sources, f"streamlit_app/queries/{module}.py", f"{name} cannot be bound: {problem}"
                    )


def check_settings(facts: Facts) -> Iterator[Finding]:
    """Every setting of a source is in the files that list settings, with its default."""
    for source in facts.sources:
        if source.name not in facts.readers:
            continue
        settings_class = facts.readers[source.name].settings_class
        for name, made in settings_class.model_fields.items():
            variable = f"{source.name.upper()}_{name.upper()}"
            default = "" if made.default is None else str(made.default)
            yield from _check_variable(source, variable, default)


def _check_variable(source: Source, variable: str, default: str) -> Iterator[Finding]:
    places = {
        ".env.example": rf"^#? ?{variable}={re.escape(default)}$",
        "docs/settings.md": rf"^\| `{variable}` \| `?{re.escape(default)}`? \|",
        "docker-compose.yml": rf"^  {variable}: \$\{{{variable}:",
    }
    for file, pattern in places.items():
        if not re.search(pattern, (PROJECT_ROOT / file).read_text(encoding="utf-8"), re.MULTILINE):
            stated = f" with the default {default}" if default and file != "docker-compose.yml" else ""
            yield Finding("settings", (source.name,), file, f"{variable}{stated} is missing; `make generate` writes it")


def check_tests(facts: Facts) -> Iterator[Finding]:
    """What the tests know about a source is there, and what fails in a case is what the suite expects."""
    for source in facts.sources:
        for part in _PARTS:
            file = f"tests/sources/{source.name}/{part}.py"
            if not has_file(file):
                yield Finding(
                    "tests", (source.name,), file, "this part of what the tests know about the source is missing"
                )
        suite = facts.suites.get(source.name)
        if suite and not suite.problem:
            yield from check_cases(source, suite)
    if not facts.project.problem:
        yield from _check_identities(facts)


def _check_identities(facts: Facts) -> Iterator[Finding]:
    """Every test of `dbt/tests` has a corruption that it finds, and every corruption a test."""
    paths = [path for one in ("tests/sources/*/identities.py", _JOINT_IDENTITIES) for path in PROJECT_ROOT.glob(one)]
    named = {
        path: set(re.findall(r"\bassert_\w+", path.read_text(encoding="utf-8"))) for path in paths if path.exists()
    }
    singular = {
        node.name: facts.project.upstream[node.unique_id]
        for node in facts.project.manifest.nodes.values()
        if node.resource_type == "test" and not hasattr(node, "test_metadata")
    }
    for name in sorted(singular.keys() - set().union(*named.values())):
        sources = singular[name]
        file = f"tests/sources/{sources[0]}/identities.py" if len(sources) == 1 else _JOINT_IDENTITIES
        yield Finding("tests", sources, file, f"no corruption proves that {name} can fail; add one to IDENTITIES")
    for path, names in named.items():
        own = (path.parent.name,) if path.name == "identities.py" else ()
        for name in sorted(names - singular.keys()):
            message = f"IDENTITIES names {name}, and dbt has no such test; restore it or remove the corruption"
            yield Finding("tests", own, f"dbt/tests/{name}.sql", message)


def check_docs(facts: Facts) -> Iterator[Finding]:
    """The generated documents name every source."""
    sources, settings = (
        (PROJECT_ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("sources.md", "settings.md")
    )
    for source in facts.sources:
        if f"`{source.fact}`" not in sources:
            message = f"the table does not name {source.fact}; `make generate` writes it"
            yield Finding("docs", (source.name,), "docs/sources.md", message)
        if not re.search(rf"^## {source.name}$", settings, re.MULTILINE | re.IGNORECASE):
            message = f"the section {source.name.capitalize()} is missing; `make generate` writes it"
            yield Finding("docs", (source.name,), "docs/settings.md", message)
