"""Breaks long lines of Python files that a formatter leaves as they are: comments, docstrings and texts."""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator

LIMIT = 120
_QUOTED = re.compile(r"""(?P<prefix>[A-Za-z]*)(?P<quote>"|')(?P<body>.*)(?P=quote)$""")
_SQL = re.compile(r'"""\s*(select|with)\b')
_BRACES = re.compile(r"{[^{}]*}")


def wrap_long_lines(text: str) -> str:
    """Break long comments, docstrings and texts at a space, so that the code means the same.

    Args:
        text: Formatted Python code.

    Returns:
        The code; a line that cannot be broken ends with `noqa: E501`.
    """
    for _ in range(text.count("\n")):
        number = _find_long_line(text)
        if number is None:
            return text
        text = _wrap_line(text, number)
    return text


def _find_long_line(text: str) -> int | None:
    lines = text.splitlines()
    long = [number for number, line in enumerate(lines) if len(line) > LIMIT]
    # the comment of a text of several lines is at its end
    allowed = {number for number in long if "noqa: E501" in lines[number]}
    for first, _, last, _ in _list_texts(text) if long else ():
        allowed |= set(range(first, last + 1)) if "noqa: E501" in lines[last] else set()
    return next((number for number in long if number not in allowed), None)


def _wrap_line(text: str, number: int) -> str:
    lines = text.splitlines()
    line = lines[number]
    if line.lstrip().startswith("#") and not _find_block(text, number):
        return _replace_line(lines, number, _wrap_comment(line))
    block = _find_block(text, number)
    if block:
        return _wrap_in_block(text, lines, number, block)
    for start, end in _find_texts(text, number):
        split = _split_text(line, start, end)
        for changed in (split, f"({split})"):
            candidate = _replace_line(lines, number, line[:start] + changed + line[end:]) if split else ""
            if candidate and _has_same_meaning(text, candidate):
                return candidate
    return _replace_line(lines, number, f"{line}  # noqa: E501")


def _replace_line(lines: list[str], number: int, new: str) -> str:
    return "\n".join((*lines[:number], new, *lines[number + 1 :])) + "\n"


def _wrap_comment(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    words = line.strip().removeprefix("#").strip()
    prefix = f"{indent}# "
    return textwrap.fill(words, LIMIT, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False)


def _wrap_in_block(text: str, lines: list[str], number: int, block: tuple[int, int]) -> str:
    line = lines[number]
    indent = len(line) - len(line.lstrip())
    cut = line.rfind(" ", indent + 1, LIMIT + 1)
    is_entry = re.match(r"\s+\w+: ", line) is not None
    if cut > indent and not line.rstrip().endswith("\\"):
        rest = " " * (indent + 4 * is_entry) + line[cut + 1 :]
        broken = _replace_line(lines, number, f"{line[:cut].rstrip()}\n{rest}")
        if _is_docstring(text, block) or _SQL.search("\n".join(lines[block[0] : block[1]])):
            return broken
    last = lines[block[1]]
    return _replace_line(lines, block[1], f"{last}  # noqa: E501") if "noqa" not in last else text


def _is_docstring(text: str, block: tuple[int, int]) -> bool:
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    return any(node.lineno == block[0] + 1 and isinstance(node.value, ast.Constant) for node in statements)


def _find_block(text: str, number: int) -> tuple[int, int] | None:
    """First and last line of the docstring, or the text of several lines, that contains a line."""
    for first, _, last, _ in _list_texts(text):
        if first <= number <= last and (first != last or _is_docstring(text, (first, last))):
            return first, last
    return None


def _find_texts(text: str, number: int) -> list[tuple[int, int]]:
    """Columns of the texts in a line, the last one first."""
    return [(start, end) for first, start, last, end in _list_texts(text) if first == last == number][::-1]


def _list_texts(text: str) -> Iterator[tuple[int, int, int, int]]:
    """First line, its column, last line, its column of every text; lines from 0."""
    begun: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        first, last = (token.start[0] - 1, token.start[1]), (token.end[0] - 1, token.end[1])
        if kind == "STRING" and not begun:
            yield *first, *last
        elif kind == "FSTRING_START":
            begun.append(first)
        elif kind == "FSTRING_END":
            first = begun.pop()
            if not begun:
                yield *first, *last


def _split_text(line: str, start: int, end: int) -> str:
    """The text in two parts, the second one in the next line; empty where it has no space for a break."""
    match = _QUOTED.fullmatch(line[start:end])
    if not match or line[start:end].endswith('"""'):
        return ""
    prefix, quote, body = match["prefix"], match["quote"], match["body"]
    free = LIMIT - 4 - start - len(prefix)
    hidden = _BRACES.sub(lambda found: "x" * len(found.group()), body) if "f" in prefix.lower() else body
    cut = hidden.rfind(" ", 1, max(free, 2)) + 1
    if not 1 < cut < len(body):
        return ""
    parts = (f"{prefix}{quote}{part}{quote}" for part in (body[:cut], body[cut:]))
    return f"\n{' ' * start}".join(parts)


def _has_same_meaning(before: str, after: str) -> bool:
    try:
        return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))
    except SyntaxError:
        return False
