"""Models and singular tests use standard SQL only; what an engine does in its own way is behind a macro.

dbt compiles them with the macros that an engine implements rendered as calls, `utc_to_local(x)` as `__utc_to_local(x)`,
so what is left is what each engine must understand.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt_support import make_empty_raw
from parsed_project import ParsedProject
from sqlglot import exp, parse_one
from sqlglot.tokens import Tokenizer, TokenType

from data_stack.ops import Ops
from dbt_runner.build import DBT_DIR, _invoke_dbt, _prepare_build_file

# the functions, by sqlglot's name, that each engine has with the same result
STANDARD_FUNCTIONS = {
    *("ABS", "AND", "CASE", "CAST", "COALESCE", "EXISTS", "EXTRACT", "IF", "NULLIF", "OR", "ROUND"),
    *("COUNT", "MAX", "MIN", "SUM", "DENSE_RANK", "LAG", "RANK", "ROW_NUMBER"),
}
# TIMESTAMPNTZ is a timestamp without a time zone
STANDARD_TYPES = {"BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "INT", "TEXT", "TIMESTAMPNTZ"}
EXTRACTED_PARTS = {"YEAR", "MONTH", "DAY", "HOUR"}
# what to use instead of a function
MACROS = {
    "DATE_TRUNC": "dbt.date_trunc",
    **dict.fromkeys(("DATE_DIFF", "EPOCH_MS", "EPOCH"), "dbt.datediff"),
    "LAST_DAY": "dbt.last_day",
    **dict.fromkeys(("UNNEST", "GENERATE_SERIES", "RANGE"), "each_day, each_month or each_hour"),
    **dict.fromkeys(("QUANTILE_DISC", "QUANTILE_CONT", "MEDIAN"), "lower_median"),
    **dict.fromkeys(("BOOL_OR", "BOOL_AND"), "dbt.bool_or"),
    "TIMEZONE": "utc_to_local or latest_utc",
    **dict.fromkeys(("REGEXP_REPLACE", "TRIM"), "trim_white_space"),
    **dict.fromkeys(("YEAR", "MONTH", "DAY", "HOUR"), "extract(year from ...)"),
    "ISODOW": "iso_weekday",
}


# standard SQL in the style of a model, into which the tests plant what is not
PORTABLE = """
with spending as (select * from core.fct_visits where is_spending),
final as (
select month, category, sum(amount) as amount, count(*) as visits from spending
group by grouping sets ((month, category), (month))
)
select * from final
"""


@dataclass(frozen=True)
class Construct:
    """SQL that not every engine understands, and what to write instead."""

    name: str
    is_in: Callable[[exp.Expression], bool]
    remedy: str


def _is_day(node: exp.Expression | None) -> bool:
    """Whether a column has a date or a time, by our names."""
    return isinstance(node, exp.Column) and bool(
        re.search(r"(^|_)(date|month|local|utc)$|^(first_|last_)?day$", node.name)
    )


CONSTRUCTS = [
    Construct("qualify", lambda node: isinstance(node, exp.Qualify), "row_number() in a CTE and a condition on it"),
    Construct("filter (where ...)", lambda node: isinstance(node, exp.Filter), "case when in the aggregate"),
    Construct("interval", lambda node: isinstance(node, exp.Interval), "dbt.dateadd"),
    Construct("values", lambda node: isinstance(node, exp.Values), "a seed"),
    Construct(
        "a row of columns",
        lambda node: isinstance(node, exp.Tuple) and not isinstance(node.parent, exp.GroupingSets),
        "one comparison per column",
    ),
    Construct("a list or struct", lambda node: isinstance(node, exp.Array | exp.Struct | exp.Bracket), "rows"),
    Construct("a lambda", lambda node: isinstance(node, exp.Lambda), "columns by name"),
    Construct("integer division //", lambda node: isinstance(node, exp.IntDiv), "/ and a cast"),
    Construct("try_cast", lambda node: isinstance(node, exp.TryCast), "cast"),
    Construct("ilike", lambda node: isinstance(node, exp.ILike), "like"),
    Construct("distinct on", lambda node: isinstance(node, exp.Distinct) and bool(node.args.get("on")), "row_number()"),
    Construct("group by all", lambda node: isinstance(node, exp.Group) and bool(node.args.get("all")), "the columns"),
    Construct("pivot", lambda node: isinstance(node, exp.Pivot), "case when in an aggregate"),
    Construct("lateral", lambda node: isinstance(node, exp.Lateral), "a join"),
    Construct(
        "select * exclude or replace",
        lambda node: isinstance(node, exp.Star) and any(node.args.get(key) for key in ("except", "except_", "replace")),
        "the columns by name",
    ),
    Construct(
        "semi, anti, asof or positional join",
        lambda node: isinstance(node, exp.Join) and (node.kind or node.method) not in ("", "INNER", "CROSS", "OUTER"),
        "exists",
    ),
    Construct(
        "a sum or difference of dates",
        lambda node: isinstance(node, exp.Sub | exp.Add) and (_is_day(node.left) or _is_day(node.right)),
        "dbt.datediff or dbt.dateadd",
    ),
    Construct(
        "extract of a part that is not standard",
        lambda node: isinstance(node, exp.Extract) and node.name.upper() not in EXTRACTED_PARTS,
        "iso_weekday, or a macro of its own",
    ),
]


def find_problems(sql: str) -> Iterator[str]:
    """What in a query is not portable, with what to use instead."""
    tokens = Tokenizer().tokenize(sql)
    if any(token.token_type == TokenType.DCOLON for token in tokens):
        yield "a cast with ::; use cast(... as ...)"
    if any(token.text.lower() == "varchar" for token in tokens):
        yield "the type varchar; use dbt.type_string"
    for node in parse_one(sql, dialect="duckdb").walk():
        yield from (f"{found.name}; use {found.remedy}" for found in CONSTRUCTS if found.is_in(node))
        if isinstance(node, exp.Func):
            yield from _check_function(node)
        if isinstance(node, exp.DataType) and node.this.name not in STANDARD_TYPES:
            yield f"the type {node.this.name.lower()}; use one of {', '.join(sorted(STANDARD_TYPES)).lower()}"


def _check_function(node: exp.Func) -> Iterator[str]:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
    if name not in STANDARD_FUNCTIONS and not name.startswith("__"):
        written = node.sql(dialect="duckdb").split("(")[0].strip().upper()
        remedy = MACROS.get(written, "a macro with an implementation in dbt/macros/engines/")
        yield f"the function {written.lower()}; use {remedy}"


def render_as_calls(manifest: Manifest) -> None:
    """Let the macros that an engine implements render as calls of functions of the same name."""
    used = {name for path in (DBT_DIR / "models").glob("**/*.sql") for name in _find_dbt_macros(path.read_text())}
    used |= {name for path in (DBT_DIR / "tests").glob("*.sql") for name in _find_dbt_macros(path.read_text())}
    used |= {name for path in (DBT_DIR / "macros").glob("*.sql") for name in _find_dbt_macros(path.read_text())}
    for macro in manifest.macros.values():
        is_ours = macro.package_name == "data_stack" and macro.name.startswith("duckdb__")
        if is_ours or (macro.package_name == "dbt" and macro.name in used):
            macro.macro_sql = _make_call(macro.name, macro.macro_sql)
    # both branches of an incremental model are in what is compiled for a table that exists
    manifest.macros[
        "macro.dbt.is_incremental"
    ].macro_sql = "{% macro is_incremental() %}{{ return(true) }}{% endmacro %}"


def _find_dbt_macros(text: str) -> set[str]:
    # a type is rendered as DuckDB's, because a call is not a type
    return {name for name in re.findall(r"\bdbt\.(\w+)\(", text) if not name.startswith("type_")}


def _make_call(name: str, macro_sql: str) -> str:
    signature = re.search(rf"macro\s+{name}\s*\((.*?)\)\s*-?%}}", macro_sql, re.DOTALL)
    assert signature, name
    arguments = [argument.split("=")[0].strip() for argument in signature[1].split(",")]
    rendered = ", ".join(f"{{{{ {argument} }}}}" for argument in arguments)
    return f"{{% macro {name}({signature[1]}) %}}__{name.removeprefix('duckdb__')}({rendered}){{% endmacro %}}"


@pytest.fixture(scope="module")
def compiled(project: ParsedProject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The SQL of every model and singular test, with calls in place of the macros of an engine."""
    settings = project.use(tmp_path_factory.mktemp("portable"))
    make_empty_raw(settings)
    _prepare_build_file(settings, Ops(settings))
    manifest = _invoke_dbt(settings, ["parse", "--no-write-json"]).result
    render_as_calls(manifest)
    select = ["--select", "resource_type:model", "test_type:singular", "--indirect-selection", "empty"]
    outcome = _invoke_dbt(settings, ["compile", "--no-write-json", *select], manifest=manifest)
    assert outcome.success, outcome.exception
    return {result.node.name: result.node.compiled_code for result in outcome.result.results}


def test_models_and_tests_are_portable(compiled: dict[str, str]) -> None:
    files = [*(DBT_DIR / "models").glob("**/*.sql"), *(DBT_DIR / "tests").glob("*.sql")]
    assert set(compiled) == {path.stem for path in files}
    problems = [f"{name}: {problem}" for name, sql in compiled.items() for problem in find_problems(sql)]
    assert problems == [], "\n".join(problems)


@pytest.mark.parametrize(
    ("standard", "planted", "problem"),
    [
        (
            "from spending",
            "from spending qualify rank() over (order by amount) = 1",
            "qualify; use row_number() in a CTE and a condition on it",
        ),
        ("sum(amount)", "sum(amount) filter (where amount > 0)", "filter (where ...); use case when in the aggregate"),
        ("sum(amount)", "quantile_disc(amount, 0.5)", "the function quantile_disc; use lower_median"),
        ("sum(amount)", "sum(amount::decimal(18, 2))", "a cast with ::; use cast(... as ...)"),
        ("sum(amount)", "sum(amount // 2)", "integer division //; use / and a cast"),
        ("count(*)", "max(epoch_ms(date))", "the function epoch_ms; use dbt.datediff"),
        ("count(*)", "max(date + interval 1 day)", "interval; use dbt.dateadd"),
        ("count(*)", "max(date) - min(date - 1)", "a sum or difference of dates; use dbt.datediff or dbt.dateadd"),
        ("count(*)", "string_agg(category, ',')", "the function listagg; use a macro"),
        ("count(*)", "max(extract(isodow from date))", "extract of a part that is not standard; use iso_weekday"),
        ("count(*)", "bool_and(is_spending)", "the function bool_and; use dbt.bool_or"),
        ("count(*)", "max(cast(amount as hugeint))", "the type int128"),
        ("count(*)", "max(cast(amount as varchar))", "the type varchar"),
        ("count(*)", "max(struct_pack(a := amount))", "a list or struct; use rows"),
        ("count(*)", "max([amount, 1])", "a list or struct; use rows"),
        ("count(*)", "secret_sauce(amount)", "the function secret_sauce; use a macro with an implementation in"),
        ("count(*)", "max((amount, date) > (1, date))", "a row of columns; use one comparison per column"),
        ("select * from final", "select * exclude (month) from final", "select * exclude or replace"),
        (
            "select * from final",
            "select unnest(generate_series(1, 9)) from final",
            "the function unnest; use each_day, each_month or each_hour",
        ),
        ("group by", "group by all -- ", "group by all; use the columns"),
    ],
    ids=lambda value: value[:30],
)
def test_what_only_duckdb_understands_is_found(standard: str, planted: str, problem: str) -> None:
    assert list(find_problems(PORTABLE)) == []
    assert standard in PORTABLE
    found = list(find_problems(PORTABLE.replace(standard, planted)))
    assert any(text.startswith(problem) for text in found), found


def test_macro_of_an_engine_is_dispatched() -> None:
    macros = "".join(path.read_text() for path in (DBT_DIR / "macros").glob("*.sql"))
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)', 'data_stack'\)", macros))
    engines = dict.fromkeys(("duckdb", "spark"), "")
    for path in (DBT_DIR / "macros" / "engines").glob("*.sql"):
        engines[path.stem.partition("_")[0]] += path.read_text()
    assert set(engines) == {"duckdb", "spark"}
    assert set(re.findall(r"macro duckdb__(\w+)", engines["duckdb"])) == dispatched
    # and those of dbt's own macros that dbt-spark computes differently
    assert set(re.findall(r"macro spark__(\w+)", engines["spark"])) >= dispatched
    # which engine it is, is asked nowhere else
    models = [path.read_text() for path in (DBT_DIR / "models").glob("**/*.sql")]
    assert not any(re.search(r"target\.|adapter\.type", text) for text in [*models, macros])
    # statements are written by an engine only
    assert not re.search(r"\b(delete from|insert into|create (or replace )?(table|schema))\b", macros)
