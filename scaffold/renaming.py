"""New names for the files of a source and for what they define: `fct_trips` becomes `fct_taxi_trips`."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

# what stays in front of the source's name, in file names and in what they define
_PREFIX = re.compile(
    r"(?:_|stg_|int_|fct_|dim_|mart_|assert_|days_of_|test_(?:app_|golden_|sample_)?|page_|notebook_)?"
)


@dataclass(frozen=True)
class Renaming:
    """From one source's names to another's.

    Attributes:
        like: Name of the copied source.
        name: Name of the new source.
        identifiers: New names of what the copied files define without the source's name in it.
        kept: Words that contain the source's name and stay: the provider's own, and names of files that are not copied.
    """

    like: str
    name: str
    identifiers: Mapping[str, str]
    kept: Iterable[str] = ()

    @cached_property
    def _variants(self) -> dict[str, str]:
        return {
            self.like: self.name,
            self.like.upper(): self.name.upper(),
            make_camel(self.like): make_camel(self.name),
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        kept = _join(self.kept)
        identifiers = _join(self.identifiers)
        camel = make_camel(self.like)
        parts = [
            rf"(?P<identifier>(?<!\w)(?:{identifiers})(?!\w))" if identifiers else "",
            rf"(?P<kept>(?<![A-Za-z0-9])(?:{kept})(?![A-Za-z0-9]))" if kept else "",
            rf"(?P<word>(?<![A-Za-z0-9])(?:{self.like}|{self.like.upper()})(?![A-Za-z0-9])|(?<![A-Z]){camel}(?![a-z]))",
        ]
        return re.compile("|".join(part for part in parts if part))

    def rename_text(self, text: str) -> str:
        """Change the names in a text; each place changes once."""
        return self._pattern.sub(self._replace, text)

    def has_name(self, text: str) -> bool:
        """Whether a name contains the copied source's name as a part."""
        return any(match.lastgroup == "word" for match in self._pattern.finditer(text))

    def rename_path(self, path: str) -> str:
        """Change the name of a file; one without the source's name gets it, unless its folder has it."""
        old = PurePosixPath(path)
        folders = [self.name if folder == self.like else folder for folder in old.parts[:-1]]
        stem, *suffixes = old.name.split(".")
        if self.has_name(stem):
            stem = self.rename_text(stem)
        elif self.like not in old.parts[:-1]:
            stem = add_name(stem, self.name)
        return "/".join((*folders, ".".join((stem, *suffixes))))

    def _replace(self, match: re.Match[str]) -> str:
        found = match.group()
        if match.lastgroup == "kept":
            return found
        return self.identifiers[found] if match.lastgroup == "identifier" else self._variants[found]


def make_camel(name: str) -> str:
    """Write a name as class names have it: `bike_share` as `BikeShare`."""
    return "".join(part.capitalize() for part in name.split("_"))


def make_title(name: str) -> str:
    """Write a name for people: `bike_share` as `Bike share`."""
    return name.replace("_", " ").capitalize()


def add_name(stem: str, name: str) -> str:
    """Add a source's name to a stem without it, after the prefix of its layer."""
    prefix = _PREFIX.match(stem)
    end = prefix.end() if prefix else 0
    return f"{stem[:end]}{name}_{stem[end:]}"


def rename_imports(text: str, modules: Mapping[tuple[str, str], str]) -> str:
    """Change the modules that are imported from packages; the code goes on to use the old names.

    Args:
        text: Python code.
        modules: New name of a module, by its package and its old name.
    """
    edits: list[tuple[int, int, str, str]] = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if new := modules.get(("", node.module)):
            edits.append((node.lineno, node.col_offset + len("from "), node.module, new))
        for alias in node.names:
            if new := modules.get((node.module, alias.name)):
                as_before = "" if alias.asname else f" as {alias.name}"
                edits.append((alias.lineno, alias.col_offset, alias.name, new + as_before))
    return replace_at(text, edits)


def rename_constants(text: str, values: Mapping[str, str]) -> str:
    """Change the text constants of Python code that are exactly one of these values."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    texts = [(node.lineno, node.col_offset, node.value) for node in found if isinstance(node.value, str)]
    edits = [(line, column, f'"{old}"', f'"{values[old]}"') for line, column, old in texts if old in values]
    return replace_at(text, edits)


def replace_at(text: str, edits: Iterable[tuple[int, int, str, str]]) -> str:
    """Replace texts at places of a Python file.

    Args:
        text: The file.
        edits: Line from 1, column in bytes (as `ast` counts), old and new text; skipped where the old text differs.
    """
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    for line, column, old, new in sorted(set(edits), reverse=True):
        before, after = lines[line - 1][:column], lines[line - 1][column:]
        if after.startswith(old.encode()):
            lines[line - 1] = before + new.encode() + after[len(old.encode()) :]
    return b"".join(lines).decode()


def _join(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))
