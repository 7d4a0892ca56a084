"""What a statement may be made of, checked on the tree of DuckDB's own parser.

Everything is an allow-list: a kind of node, a function, a table or a key of the tree that is not known here is refused,
so that what a later DuckDB adds stays closed until somebody looks at it.
"""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_stack.errors import QueryRefusedError
from data_stack.sql_door.functions import FUNCTIONS, PADDED, SERIES, TABLE_FUNCTIONS

Tree = Mapping[str, Any]
Scope = frozenset[str]

DEPTH_MAX = 150
"""Levels of a tree; one of parentheses is two."""
STEPS_MAX = 1_000_000
"""Elements of a series of numbers."""
LENGTH_MAX = 1_000
"""Characters that a text may be padded to."""

_EXPRESSIONS = frozenset(
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR "
    "POSITIONAL_REFERENCE STAR SUBQUERY WINDOW".split()
)
_NODES = frozenset(
    # statements and their clauses
    "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE DISTINCT_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER "
    "ORDER_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING "
    # what is selected from
    "BASE_TABLE EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION "
    # types that a value is cast to
    "ARRAY_TYPE_INFO DECIMAL_TYPE_INFO ENUM_TYPE_INFO GENERIC_TYPE_INFO LIST_TYPE_INFO STRING_TYPE_INFO "
    "STRUCT_TYPE_INFO UNBOUND_TYPE_INFO".split()
)
_KEYS = frozenset(
    "aggregate_handling aggregates alias aliases arg_orders at_clause case_checks cast_type catalog catalog_name "
    "child child_type child_types children class collation column column_name_alias column_names columns "
    "comparison_type condition cte_map cte_name days default_expr delim_flipped distinct distinct_on_targets "
    "duplicate_eliminated_columns else_expr end end_expr entries error exclude_clause exclude_list expected_names "
    "expected_types export_state expr expression extension_info filter filter_expr first from_table function "
    "function_name group_expressions group_sets groups having id ignore_nulls include_nulls index input is_null "
    "is_operator is_percentage join_type key key_targets left lhs limit lower map materialized method micros "
    "modifiers months name named_param_map node null_order offset offset_expr order_bys orders partitions "
    "pivot_enum pivot_expressions pivots qualified_exclude_list qualify query query_location ref_type "
    "relation_name rename_list replace_list right sample sample_size scale schema schema_name second seed "
    "select_list setop_all setop_type show_type size source star_expr start start_expr statements subquery "
    "subquery_type table table_name then_expr try_cast type type_info union_all unit unpivot_names upper "
    "user_type_modifiers using_columns value values when_expr where_clause width with_ordinality".split()
)
# names that DuckDB resolves to its own views when no subquery of that name is in sight
_SYSTEM_PREFIXES = ("duckdb_", "information_schema", "pg_", "pragma_", "sqlite_")
_MOMENTS = {"DATE", "TIMESTAMP", "DATETIME"}
_INTERVALS = {"to_minutes", "to_hours", "to_days", "to_weeks", "to_months", "to_quarters", "to_years"}
_BARE_SHOW = {"SHOW_UNQUALIFIED", "SHOW_FROM"}


@dataclass(frozen=True)
class Statement:
    """What a checked statement reads.

    Attributes:
        tables: Tables that it reads, `schema.table` in small letters, in the order of their first mention.
        columns: Names of columns that it mentions, in small letters.
        lists_tables: It is `show tables` or the like, and reads no table.
    """

    tables: tuple[str, ...]
    columns: frozenset[str]
    lists_tables: bool = False


def check_tree(tree: Tree, tables: Collection[str], explain: Callable[[str], str]) -> Statement:
    """Check that a statement is one select of known parts on readable tables.

    Args:
        tree: What `json_serialize_sql` makes of the statement.
        tables: Tables that may be read, `schema.table` in small letters.
        explain: Says of any other table why it may not be read.

    Returns:
        What it reads.

    Raises:
        QueryRefusedError: It is something else; names the part.
    """
    statements = tree.get("statements", [])
    if tree.get("error") or len(statements) != 1:
        raise QueryRefusedError(_describe_other_statement(tree, len(statements)))
    if _lists_tables(statements[0]["node"]):
        return Statement((), frozenset(), lists_tables=True)
    check = _Check(tables, explain)
    check.walk(statements[0], frozenset(), 0)
    return Statement(tuple(check.read), frozenset(check.columns))


def _describe_other_statement(tree: Tree, count: int) -> str:
    if tree.get("error_type") == "parser":
        return f"Parser Error: {tree.get('error_message')}"
    if count > 1:
        return f"one select at a time, and these are {count} statements"
    return (
        "only a select is answered (also `from`, `with`, `values`, `describe`, `summarize`, `show tables`); a pivot "
        "needs its values: select * from (pivot TABLE on COLUMN in (...) using ...)"
    )


def _lists_tables(node: Tree) -> bool:
    """`show tables`, `show all tables`, `show tables from SCHEMA`, and nothing around it."""
    source = node.get("from_table") or {}
    if source.get("type") != "SHOW_REF" or source.get("show_type") not in _BARE_SHOW:
        return False
    clauses = ("where_clause", "having", "qualify", "sample")
    stars = [item.get("class") == "STAR" and not item.get("replace_list") for item in node.get("select_list", [])]
    asks_tables = source["show_type"] == "SHOW_FROM" or source.get("table_name", "").strip('"') in (
        "tables",
        "__show_tables_expanded",
    )
    has_more = any(node.get(clause) for clause in clauses) or node.get("modifiers") or node["cte_map"]["map"]
    return asks_tables and stars == [True] and not has_more


@dataclass
class _Check:
    """The walk over one tree; `read` keeps the tables in order, `columns` the names of columns."""

    tables: Collection[str]
    explain: Callable[[str], str]
    read: dict[str, None] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)

    def walk(self, part: Any, scope: Scope, depth: int) -> None:
        """Check a part and everything in it; `scope` has the subqueries of `with` that it can name."""
        if depth > DEPTH_MAX:
            raise QueryRefusedError(f"the statement is nested more than {DEPTH_MAX} levels deep; write it flatter")
        if isinstance(part, list):
            for item in part:
                self.walk(item, scope, depth + 1)
        elif isinstance(part, dict):
            self._check_node(part, scope)
            inner = self._walk_named_queries(part, scope, depth)
            for key, value in part.items():
                if key != "cte_map":
                    self.walk(value, self._widen(part, key, inner), depth + 1)

    def _check_node(self, node: Tree, scope: Scope) -> None:
        kind, is_expression = node.get("class") or node.get("type"), "class" in node
        # the type of a value is a node of its own
        if isinstance(kind, str) and kind not in (_EXPRESSIONS if is_expression else _NODES):
            raise QueryRefusedError(f"a statement may not contain {kind}")
        for key in node:
            if key not in _KEYS:
                raise QueryRefusedError(f"a part of the statement is not known here: {key}")
        check_kind = _CHECKS.get((is_expression, str(kind)))
        if check_kind:
            check_kind(self, node, scope)

    def _walk_named_queries(self, node: Tree, scope: Scope, depth: int) -> Scope:
        """Walk the subqueries of `with`, each of which can name those before it; returns what the rest can name."""
        for entry in (node.get("cte_map") or {}).get("map", []):
            name = entry["key"].lower()
            if name.startswith(_SYSTEM_PREFIXES):
                raise QueryRefusedError(f"a subquery may not be called {name}, as DuckDB has a view of such a name")
            self.walk(entry["value"], scope, depth + 1)
            scope |= {name}
        return scope

    def _widen(self, node: Tree, key: str, scope: Scope) -> Scope:
        """A recursive subquery can name itself, in its second part only."""
        recursive = node.get("type") == "RECURSIVE_CTE_NODE" and key == "right"
        return scope | {node["cte_name"].lower()} if recursive else scope

    def check_table(self, node: Tree, scope: Scope) -> None:
        """A table has its schema, unless it is a subquery of `with`."""
        catalog, schema, table = (node[key].lower() for key in ("catalog_name", "schema_name", "table_name"))
        if node["at_clause"] is not None:
            raise QueryRefusedError(f"{table} has no earlier versions; leave `at (...)` out")
        if not catalog and not schema and table in scope:
            return
        name = f"{schema}.{table}" if schema else table
        if catalog not in ("", "warehouse") or name not in self.tables:
            raise QueryRefusedError(self.explain(f"{catalog}.{name}" if catalog else name))
        self.read[name] = None

    def check_function(self, node: Tree, scope: Scope) -> None:
        """A function is a known one of DuckDB itself."""
        name = node["function_name"].lower()
        if name not in FUNCTIONS or node["schema"] not in ("", "main") or node["catalog"] not in ("", "system"):
            near = difflib.get_close_matches(name, FUNCTIONS, n=3, cutoff=0.8)
            hint = f"; similar ones are {', '.join(near)}" if near else ""
            raise QueryRefusedError(f"the function {name} is not allowed here{hint}")
        if name in SERIES:
            _check_series(name, node["children"])
        if name in PADDED:
            _check_length(name, node["children"])

    def check_table_function(self, node: Tree, scope: Scope) -> None:
        """Only functions that make rows from their arguments."""
        function = node["function"]
        name = str(function.get("function_name", function.get("type"))).lower()
        if name not in TABLE_FUNCTIONS:
            raise QueryRefusedError(f"rows of the function {name} are not allowed here; select from core, marts or ops")

    def check_column(self, node: Tree, scope: Scope) -> None:
        """Columns are what the tables have, so they are only noted."""
        self.columns.update(name.lower() for name in node["column_names"])

    def check_show(self, node: Tree, scope: Scope) -> None:
        """`describe` and `summarize` of something that may be selected."""
        if node["query"] is None:
            raise QueryRefusedError("`show` is answered alone and for tables only: show tables")

    def check_pivot(self, node: Tree, scope: Scope) -> None:
        """A pivot has its values in it and not in a type."""
        if any(pivot["pivot_enum"] for pivot in node["pivots"]):
            raise QueryRefusedError("a pivot needs its values: on COLUMN in ('a', 'b')")


def _check_series(name: str, arguments: Sequence[Tree]) -> None:
    """The bounds of a series are literals: numbers that are not far apart, or days and timestamps with an interval."""
    numbers = [_read_number(argument) for argument in arguments]
    if None in numbers:
        if all(number is not None or _is_moment(argument) for number, argument in zip(numbers, arguments, strict=True)):
            return
        raise QueryRefusedError(f"the bounds of {name} have to be literals; core.dim_dates has a row per day")
    first, last, step = (*((0,) if len(numbers) == 1 else ()), *numbers, 1, 1, 1)[:3]
    steps = abs((last or 0) - (first or 0)) / max(abs(step or 0), 1)
    if steps > STEPS_MAX:
        raise QueryRefusedError(f"{name} may have {STEPS_MAX:,} elements at most, and this one has {steps:,.0f}")


def _check_length(name: str, arguments: Sequence[Tree]) -> None:
    length = _read_number(arguments[1]) if len(arguments) > 1 else None
    if length is None or length > LENGTH_MAX:
        raise QueryRefusedError(f"the length of {name} has to be a number of {LENGTH_MAX:,} at most")


def _read_number(argument: Tree) -> int | None:
    """A whole number as it is written, with its sign."""
    if argument.get("class") == "FUNCTION" and argument["function_name"] == "-" and len(argument["children"]) == 1:
        number = _read_number(argument["children"][0])
        return None if number is None else -number
    value = argument["value"].get("value") if argument.get("class") == "CONSTANT" else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_moment(argument: Tree) -> bool:
    """A day, a timestamp or an interval as it is written: `date '2024-01-01'`, `interval 1 day`."""
    if argument.get("class") == "CAST":
        kind = argument["cast_type"]
        name = (kind.get("type_info") or {}).get("name") or kind["id"]
        return name.upper() in _MOMENTS and argument["child"].get("class") == "CONSTANT"
    return argument.get("class") == "FUNCTION" and argument["function_name"] in _INTERVALS and not _mentions(argument)


def _mentions(argument: Any) -> bool:
    """Whether something in it is read from a row."""
    if isinstance(argument, list):
        return any(map(_mentions, argument))
    if not isinstance(argument, dict):
        return False
    return argument.get("class") in ("COLUMN_REF", "SUBQUERY") or any(map(_mentions, argument.values()))


_CHECKS: dict[tuple[bool, str], Callable[[_Check, Tree, Scope], None]] = {
    (True, "COLUMN_REF"): _Check.check_column,
    (True, "FUNCTION"): _Check.check_function,
    (True, "WINDOW"): _Check.check_function,
    (False, "BASE_TABLE"): _Check.check_table,
    (False, "PIVOT"): _Check.check_pivot,
    (False, "SHOW_REF"): _Check.check_show,
    (False, "TABLE_FUNCTION"): _Check.check_table_function,
}
