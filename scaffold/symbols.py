"""What the Python files of the repository define, and which names each part uses: the syntax, nothing is imported.

A file has two kinds of part: the body of a function, which coverage.py can see run, and a definition, which runs while
the file is imported: a constant, the signature and decorators of a function, the attributes of a class. A test depends
on a body because it ran it; it depends on a definition because it ran a body that uses its name.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MODULE = "<module>"

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Part:
    """The body of a function, or a definition.

    Attributes:
        name: Of what is defined, with its class: `SourceReader.plan`.
        is_body: Whether it is the body of a function.
        nodes: Its syntax, without the function's docstring.
        uses: Names that it uses, dotted where attributes follow: `steps.ingest`.
        calls: Those of the names that run while the file is imported: called there, or decorators.
        lines: First and last line.
    """

    name: str
    is_body: bool
    nodes: list[ast.AST] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    lines: tuple[int, int] = (0, 0)

    @property
    def code(self) -> str:
        """Its syntax as text, without comments and positions."""
        return "\n".join(ast.dump(node) for node in self.nodes)


@dataclass
class Symbols:
    """What one file defines.

    Attributes:
        bodies: Functions and methods by their names.
        definitions: Definitions by their names.
        imports: Module and name for each name that the file imports; the name is empty where a module is imported.
        packages: Packages whose modules each function imports by name while it runs.
    """

    bodies: dict[str, Part] = field(default_factory=dict)
    definitions: dict[str, Part] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    packages: dict[str, set[str]] = field(default_factory=dict)

    def find_bodies(self, lines: Iterable[int]) -> set[str]:
        """Names of the functions that have one of the lines; `<module>` for a line that is in none."""
        spans = [(*part.lines, part.name) for part in self.bodies.values()]
        return {next((name for start, end, name in spans if start <= line <= end), MODULE) for line in lines}


def read_symbols(text: str, package: str = "") -> Symbols:
    """The parts of a file.

    Args:
        text: Its Python code.
        package: Package of the file, for relative imports.

    Raises:
        SyntaxError: It is no Python code.
    """
    tree, symbols = ast.parse(text), Symbols()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            symbols.imports |= dict(_read_import(node, package))
    for statement in tree.body:
        _read_statement(symbols, statement, "")
    return symbols


def _read_import(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            first = alias.name.split(".")[0]
            yield alias.asname or first, (alias.name if alias.asname else first, "")
        else:
            module = ".".join(filter(None, (package if node.level else "", node.module)))
            yield alias.asname or alias.name, (module, alias.name)


def _read_statement(symbols: Symbols, statement: ast.stmt, prefix: str) -> None:
    if isinstance(statement, _Function):
        _read_function(symbols, statement, prefix)
    elif isinstance(statement, ast.ClassDef):
        _read_class(symbols, statement, prefix)
    elif not _is_docstring(statement):
        names = list(_find_stored(statement)) or [MODULE]
        for name in names:
            _define(symbols, f"{prefix}{name}", [statement])


def _read_function(symbols: Symbols, function: _Function, prefix: str) -> None:
    name = f"{prefix}{function.name}"
    returned = [function.returns] if function.returns else []
    _define(symbols, name, [function.args, *function.decorator_list, *returned], function.decorator_list)
    body = [statement for statement in function.body if not _is_docstring(statement)]
    lines = (function.body[0].lineno, function.end_lineno or function.lineno)
    # several definitions of one name, such as a property and its setter, are one part
    before = symbols.bodies.get(name, Part(name, True, lines=lines))
    nodes, uses = [*before.nodes, *body], {*before.uses, *_find_names(body)}
    symbols.bodies[name] = Part(name, True, nodes, uses, set(), (before.lines[0], lines[1]))
    symbols.packages[name] = symbols.packages.get(name, set()) | set(_find_packages(symbols, body))


def _read_class(symbols: Symbols, defined: ast.ClassDef, prefix: str) -> None:
    name = f"{prefix}{defined.name}"
    inner = [statement for statement in defined.body if not isinstance(statement, _Function | ast.ClassDef)]
    own = [statement for statement in inner if not _is_docstring(statement)]
    _define(symbols, name, [*defined.bases, *defined.keywords, *defined.decorator_list, *own], defined.decorator_list)
    for statement in defined.body:
        if isinstance(statement, _Function | ast.ClassDef):
            _read_statement(symbols, statement, f"{name}.")


def _define(symbols: Symbols, name: str, nodes: list[ast.AST], decorators: Iterable[ast.AST] = ()) -> None:
    part = symbols.definitions.setdefault(name, Part(name, False))
    part.nodes += nodes
    part.uses |= set(_find_names(nodes))
    called = [node for top in nodes for node in ast.walk(top) if isinstance(node, ast.Call)]
    part.calls |= set(_find_names([*called, *decorators]))


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _find_stored(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement outside of functions gives a value."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in _read_import(node, ""))
        elif isinstance(node, _Function | ast.ClassDef):
            yield node.name


def _find_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.alias):
                yield node.asname or node.name.split(".")[0]
            elif isinstance(node, ast.Attribute) and (dotted := _write_dotted(node)):
                yield dotted


def _write_dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _write_dotted(node.value)
        return before and f"{before}.{node.attr}"
    return None


def _find_packages(symbols: Symbols, body: Iterable[ast.AST]) -> Iterator[str]:
    """Packages of `import_module(f"dlt_pipeline.{name}")` and of `import_module(f"{package.__name__}.{name}")`."""
    for node in (node for top in body for node in ast.walk(top)):
        if not (isinstance(node, ast.Call) and _is_import_module(node.func) and node.args):
            continue
        parts = getattr(node.args[0], "values", [])
        first = parts[0] if len(parts) > 1 else None
        if isinstance(first, ast.Constant):
            yield str(first.value).rstrip(".")
        elif isinstance(first, ast.FormattedValue):
            dotted = (_write_dotted(first.value) or "").split(".")[0]
            yield ".".join(filter(None, symbols.imports.get(dotted, ("", ""))))


def _is_import_module(function: ast.expr) -> bool:
    return (_write_dotted(function) or "").endswith("import_module")
