"""The models against each other and the registry: contracts, grain, relationships, unit tests, descriptions."""

import re
from collections.abc import Iterator
from typing import Any

from data_stack.registry import Source
from scaffold.conformance.check_staging import finding
from scaffold.conformance.facts import Facts
from scaffold.conformance.findings import Finding
from scaffold.conformance.project import ProjectFacts

PUBLISHED = ("core", "marts")
DAYS = "dim_dates"

_INPUT = re.compile(r"(ref|source)\('(\w+)'(?:,\s*'(\w+)')?\)")


def check_models(facts: Facts) -> Iterator[Finding]:
    """Every model keeps its contract, has its tests, and the fact of every source is what the registry says."""
    project = facts.project
    for node in project.models():
        yield from _check_contract(project, node)
        yield from _check_descriptions(project, node)
        yield from _check_marks(project, node)
        if node.schema in PUBLISHED and node.config.materialized in ("table", "incremental"):
            yield from _check_tests(project, node)
    yield from _check_data_tests(project)
    for unit_test in project.manifest.unit_tests.values():
        yield from _check_unit_test(project, unit_test)
    for source in facts.sources:
        yield from _check_fact(facts, source)


def _of(project: ProjectFacts, unique_id: str, file: str, message: str) -> Finding:
    return Finding("dbt", project.upstream.get(unique_id, ()), f"dbt/{file}", message)


def _yml(node: Any) -> str:
    return str(node.original_file_path).removesuffix(".sql") + ".yml"


def _check_contract(project: ProjectFacts, node: Any) -> Iterator[Finding]:
    """The SQL gives the columns of the contract, in its order and with its types."""
    unique_id, declared = node.unique_id, project.contracts.get(node.unique_id, {})
    if node.config.materialized == "ephemeral":
        return
    if not node.config.contract.enforced:
        yield _of(project, unique_id, _yml(node), f"the contract of {node.name} is not enforced")
    if not declared:
        yield _of(project, unique_id, _yml(node), f"{node.name} has no contract: no columns with their data_type")
        return
    if unique_id in project.problems:
        yield _of(
            project, unique_id, node.original_file_path, f"does not fit what is upstream: {project.problems[unique_id]}"
        )
        return
    given = project.columns[unique_id]
    for column in given.keys() - declared.keys():
        yield _of(project, unique_id, _yml(node), f"{node.name} selects {column}, which is not in its contract; add it")
    for column in declared.keys() - given.keys():
        yield _of(project, unique_id, _yml(node), f"the contract has {column}, which {node.name} does not select")
    for column in given.keys() & declared.keys():
        if given[column] != declared[column]:
            message = f"{node.name}.{column} is {given[column]}, and the contract says {declared[column]}"
            yield _of(project, unique_id, _yml(node), message)
    if set(given) == set(declared) and list(given) != list(declared):
        yield _of(project, unique_id, _yml(node), f"the columns of {node.name} are not in the order of the contract")


def _check_descriptions(project: ProjectFacts, node: Any) -> Iterator[Finding]:
    if node.config.materialized == "ephemeral":
        return
    if not node.description.startswith("One row per "):
        yield _of(project, node.unique_id, _yml(node), f"the description of {node.name} does not begin with its grain")
    for name, column in node.columns.items():
        if not column.data_type:
            yield _of(project, node.unique_id, _yml(node), f"{node.name}.{name} has no data_type")
        if node.schema in PUBLISHED and not column.description:
            yield _of(project, node.unique_id, _yml(node), f"{node.name}.{name} has no description")


def _check_marks(project: ProjectFacts, node: Any) -> Iterator[Finding]:
    """A column of the name of a marked column upstream is marked too."""
    if node.config.meta.get("is_aggregate"):
        return
    marked = {
        name
        for parent in node.depends_on.nodes
        for name, column in getattr(project.manifest.nodes.get(parent), "columns", {}).items()
        if "personal" in column.config.meta
    }
    for name in sorted(marked & set(node.columns)):
        if not {"personal", "not_personal"} & set(node.columns[name].config.meta):
            yield _of(
                project,
                node.unique_id,
                _yml(node),
                f"{node.name}.{name} is personal upstream; mark it with config.meta.personal",
            )


def find_grain(project: ProjectFacts, unique_id: str) -> tuple[str, ...]:
    """Columns whose combination a test of a model says is unique; empty if no test does."""
    for test in project.tests_of(unique_id):
        metadata = getattr(test, "test_metadata", None)
        if metadata and test.attached_node == unique_id and test.config.severity.upper() == "ERROR":
            if metadata.name == "unique":
                return (str(metadata.kwargs["column_name"]),)
            if metadata.name == "unique_combination":
                return tuple(metadata.kwargs["columns"])
    return ()


def has_test(project: ProjectFacts, unique_id: str, kind: str, column: str, to: str = "") -> bool:
    """Whether a model has a test of a column that fails a build."""
    return any(
        metadata.name == kind
        and metadata.kwargs.get("column_name") == column
        and test.attached_node == unique_id
        and to in str(metadata.kwargs.get("to", ""))
        and test.config.severity.upper() == "ERROR"
        for test in project.tests_of(unique_id)
        if (metadata := getattr(test, "test_metadata", None))
    )


def _check_tests(project: ProjectFacts, node: Any) -> Iterator[Finding]:
    """The grain is tested and not null, a key of a dimension is in it, and a unit test proves the rules."""
    unique_id = node.unique_id
    grain = find_grain(project, unique_id)
    if not grain:
        yield _of(
            project, unique_id, _yml(node), f"{node.name} has no test of its grain; add unique or unique_combination"
        )
    # a part of a combination may be null, such as the mask of an account
    if grain and not any(has_test(project, unique_id, "not_null", column) for column in grain):
        yield _of(project, unique_id, _yml(node), f"{node.name} has no not_null of its grain, {', '.join(grain)}")
    if node.name.startswith("fct_"):
        yield from _check_relationships(project, node)
    if not any(one.model == node.name for one in project.manifest.unit_tests.values()):
        file = str(node.original_file_path).removesuffix(".sql") + "_unit_tests.yml"
        yield _of(project, unique_id, file, f"{node.name} has no unit test")
    if node.schema == "marts" and all(hasattr(test, "test_metadata") for test in project.tests_of(unique_id)):
        yield _of(project, unique_id, "tests", f"no test of dbt/tests checks that {node.name} adds up")


def _check_relationships(project: ProjectFacts, node: Any) -> Iterator[Finding]:
    """A column with the name of a dimension's key, such as start_station_id, refers to that dimension of its source."""
    sources = set(project.upstream[node.unique_id])
    dimensions = {
        one.name: find_grain(project, one.unique_id)
        for one in project.models()
        if one.name.startswith("dim_") and sources.intersection(project.upstream[one.unique_id])
    }
    # that of the fact's day is checked by itself: the days of coverage are where `dim_dates` begins and ends
    dimensions.pop(DAYS, None)
    for dimension, key in dimensions.items():
        for column in node.columns:
            refers = len(key) == 1 and (column == key[0] or column.endswith(f"_{key[0]}"))
            refers = refers and not _is_apart(node, column)
            if refers and not has_test(project, node.unique_id, "relationships", column, dimension):
                message = f"{node.name}.{column} has no test relationships to {dimension}; add it"
                yield _of(project, node.unique_id, _yml(node), message)


def _is_apart(node: Any, column: str) -> bool:
    """Whether a column says why its values need not be in the dimension of its name: `meta.not_in_dimension`."""
    return bool(node.columns[column].config.meta.get("not_in_dimension"))


def _check_data_tests(project: ProjectFacts) -> Iterator[Finding]:
    """Tests name columns that exist."""
    for test in (node for node in project.manifest.nodes.values() if node.resource_type == "test"):
        if test.unique_id in project.problems:
            message = f"does not fit the models: {project.problems[test.unique_id]}"
            yield _of(project, test.unique_id, test.original_file_path, message)
        columns = project.columns.get(getattr(test, "attached_node", None) or "", {})
        arguments = test.test_metadata.kwargs if getattr(test, "test_metadata", None) else {}
        named = [arguments.get("column_name"), *arguments.get("columns", [])]
        for column in named:
            if column and columns and column not in columns:
                message = f"a test {test.test_metadata.name} names {column}, which its model does not have"
                yield _of(project, test.unique_id, test.original_file_path, message)


def _check_unit_test(project: ProjectFacts, unit_test: Any) -> Iterator[Finding]:
    """Rows of a unit test have columns that its inputs and its model have."""
    expected = {node.name: node.unique_id for node in project.models()}.get(unit_test.model, "")
    rows = [(given.input, given.rows) for given in unit_test.given] + [
        (f"ref('{unit_test.model}')", unit_test.expect.rows)
    ]
    for name, values in rows:
        columns = _columns_of_input(project, name)
        used = {column for row in values or [] if isinstance(row, dict) for column in row}
        for column in sorted(used - columns if columns else ()):
            message = f"the unit test {unit_test.name} gives {name} the column {column}, which it does not have"
            yield _of(project, expected, unit_test.original_file_path, message)


def _columns_of_input(project: ProjectFacts, name: str) -> set[str]:
    """Columns of a unit test's input; none where they are not known."""
    found = _INPUT.match(name)
    if not found:
        return set()
    kind, first, second = found.groups()
    if kind == "source":
        return project.raw_columns.get((first, second), set())
    columns = (made for unique_id, made in project.columns.items() if unique_id.rpartition(".")[2] == first)
    return set(next(columns, {}))


def _check_fact(facts: Facts, source: Source) -> Iterator[Finding]:
    """The registry's fact exists, has the day and the key, and its day is one of `dim_dates`."""
    project = facts.project
    node = project.find_table(source.fact)
    entry = f"data_stack/sources/{source.name}.py"
    if node is None:
        yield finding(source, entry, f"fact is {source.fact}, and no model builds this table")
        return
    if source.name not in project.upstream[node.unique_id]:
        yield finding(source, entry, f"{source.fact} is not made from the raw tables of {source.name}")
    columns, file = project.columns.get(node.unique_id, {}), f"dbt/{_yml(node)}"
    if columns.get(source.day) != "DATE":
        yield finding(
            source, entry, f"{source.fact} has no column {source.day} of the type date, which is the registry's day"
        )
    elif not has_test(project, node.unique_id, "not_null", source.day):
        yield finding(source, file, f"{node.name}.{source.day}, the day of the registry, has no not_null")
    elif not _is_apart(node, source.day) and not has_test(project, node.unique_id, "relationships", source.day, DAYS):
        yield finding(
            source, file, f"{node.name}.{source.day}, the day of the registry, has no relationships to {DAYS}"
        )
    yield from _check_fact_key(facts, source, node, file)


def _check_fact_key(facts: Facts, source: Source, node: Any, file: str) -> Iterator[Finding]:
    project = facts.project
    staged = next((one for one in project.models() if one.name == f"stg_{source.name}__{source.table}"), None)
    # a fact that adds up rows of the provider has no key of a single one
    is_aggregate = node.config.meta.get("is_aggregate")
    for one in filter(None, (None if is_aggregate else node, staged)):
        if source.key not in project.columns.get(one.unique_id, {}):
            yield finding(source, f"dbt/{_yml(one)}", f"{one.name} has no column {source.key}, the key of the registry")
        elif not has_test(project, one.unique_id, "not_null", source.key):
            yield finding(
                source, f"dbt/{_yml(one)}", f"{one.name}.{source.key}, the key of the registry, has no not_null"
            )
    grain = find_grain(project, node.unique_id)
    if grain and source.key not in grain and not is_aggregate:
        yield finding(source, file, f"{node.name} is unique by {', '.join(grain)}, which does not contain {source.key}")
