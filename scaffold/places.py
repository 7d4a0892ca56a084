"""The places that a source has, one per layer, and the marks in a copied source that say what to adapt there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from data_stack.settings import PROJECT_ROOT
from scaffold.owners import find_owner
from scaffold.tree import Tree

_COMMENTS = {".py": "# {}", ".yml": "# {}", ".sql": "-- {}"}
_HEAD = (
    "# The places of a source",
    "",
    "Written by `make generate` from `scaffold/places.py`. `data-stack new-source NAME --like SOURCE` copies the files",
    "of a source in all of them and marks what to adapt; a source needs no other file.",
    "",
    "| layer | files | who | what to adapt in a copy |",
    "|---|---|---|---|",
)
_DOCSTRING = re.compile(r'"""(?:.|\n)*?"""\n')


@dataclass(frozen=True)
class Place:
    """Where a source has files.

    Attributes:
        layer: The layer.
        patterns: Globs of the files, with `<name>` for the source's name.
        advice: What to adapt in a copy, a sentence without a full stop.
    """

    layer: str
    patterns: tuple[str, ...]
    advice: str


PLACES = (
    Place(
        "registry",
        ("data_stack/sources/<name>.py",),
        "title, table, key, what a load replaces, fact, day, personal columns and the provider's words",
    ),
    Place(
        "reader",
        ("dlt_pipeline/<name>.py", "dlt_pipeline/<name>_*.py"),
        "settings, typed columns, what is planned, how the provider's format is read and what is rejected",
    ),
    Place(
        "sample",
        ("dlt_pipeline/sample/*.py",),
        "rows and answers in the provider's format, with its oddities",
    ),
    Place(
        "suite",
        ("data_quality/suites/<name>.py",),
        "keys, nulls, ranges, volume and thresholds, from real data",
    ),
    Place("dbt source", ("dbt/models/staging/_<name>__sources.yml",), "raw tables and freshness"),
    Place(
        "staging",
        ("dbt/models/staging/stg_<name>__*",),
        "columns, types and descriptions",
    ),
    Place(
        "intermediate",
        ("dbt/models/intermediate/int_<name>__*",),
        "the logic between staging and facts, or delete it",
    ),
    Place(
        "core",
        ("dbt/models/core/*",),
        "grain, columns, contract, tests and values of unit tests",
    ),
    Place("marts", ("dbt/models/marts/*",), "the questions that it answers, or delete it"),
    Place(
        "metrics",
        ("dbt/metrics/*",),
        "what is counted, with names of its own; new-source copies no metrics, so a copied page shows the key figures"
        " of the original until the constants that end with `FIGURES` and its exposure name its own",
    ),
    Place(
        "questions",
        ("tests/serving/questions/<name>.yml",),
        "what people ask about its metrics, with the SQL of the answers; new-source copies no questions",
    ),
    Place("exposures", ("dbt/models/exposures*",), "label and the tables that are read"),
    Place("dbt tests", ("dbt/tests/*.sql",), "what must add up, or delete it"),
    Place("seeds", ("dbt/seeds/*",), "the provider's code table, or delete it"),
    Place("macros", ("dbt/macros/*",), "the source's own expressions, or delete it"),
    Place(
        "page",
        ("streamlit_app/app_pages/*.py", "streamlit_app/queries/*.py", "streamlit_app/home_cards/*.py"),
        "what it shows, its title, texts and units, or delete it",
    ),
    Place("notebook", ("notebooks/*.ipynb",), "the questions; new-source copies no notebook"),
    Place(
        "test data",
        ("tests/sources/<name>/*.py",),
        "rows of the provider, clean and golden rows, a case for each expectation",
    ),
    Place(
        "tests",
        ("tests/**/*.py",),
        "values worked out by hand for this source",
    ),
    Place("record", ("scaffold/generated/*",), "nothing: remove-source reads it"),
)


@dataclass(frozen=True)
class AdaptMark:
    """A place in a copied source that nobody has adapted yet.

    Attributes:
        path: File, relative to the repository.
        line: Line of the mark, from 1.
        text: What to adapt.
    """

    path: str
    line: int
    text: str


def find_place(path: str, source_name: str) -> Place | None:
    """Find the place of a file; the first pattern that fits decides."""
    for place in PLACES:
        patterns = (pattern.replace("<name>", source_name).replace("**/", "") for pattern in place.patterns)
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            return place
    return None


def add_mark(path: str, text: str, source_name: str, advice: str = "") -> str:
    """Add the mark that says what to adapt, at the top of a file, after a docstring.

    Args:
        path: Where the file will be; decides the layer and the syntax of comments.
        text: The file.
        source_name: The new source.
        advice: More to say.

    Returns:
        The text with its mark; unchanged where the file type has no comments.
    """
    place, comment = find_place(path, source_name), _COMMENTS.get(Path(path).suffix)
    if place is None or comment is None:
        return text
    sentence = f"{place.advice}{advice}"
    mark = comment.format(f"ADAPT({source_name}): {sentence}")
    if path.startswith("dbt/macros/"):
        mark = f"{{# ADAPT({source_name}): {sentence} #}}"
    docstring = _DOCSTRING.match(text) if path.endswith(".py") else None
    end = docstring.end() if docstring else 0
    head = f"{text[:end]}\n" if end else ""
    return f"{head}{mark}\n{text[end:]}"


def find_adapt_marks(root: Path = PROJECT_ROOT, source_name: str = "", files: Iterable[str] = ()) -> list[AdaptMark]:
    """Find what nobody has adapted yet in copied sources.

    Args:
        root: Folder of the repository.
        source_name: Only the marks of this source; empty: of all.
        files: Only these files; empty: all that git tracks or would track.

    Returns:
        The marks in the order of files and lines.
    """
    pattern = re.compile(rf"^\s*(?:#|--|{{#) ADAPT\({re.escape(source_name) or '[a-z][a-z0-9_]*'}\): (.*?)(?: #}})?$")
    tree = Tree(root)
    marks = []
    for path in files or tree.files:
        if Path(path).suffix not in _COMMENTS or "ADAPT(" not in tree.read(path):
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if match := pattern.match(line):
                marks.append(AdaptMark(path, number, match[1]))
    return marks


def describe_places() -> str:
    """The places of a source as a document in Markdown."""
    rows = [
        f"| {place.layer} | {_quote(place.patterns)} | {_find_specialist(place)} | {place.advice} |" for place in PLACES
    ]
    return "\n".join((*_HEAD, *rows, ""))


def _find_specialist(place: Place) -> str:
    """Who owns the files of a place; files of several owners belong to whoever owns what they test or record."""
    return find_owner(place.patterns[0].replace("<name>", "example")) or "the owner of the file that it belongs to"


def _quote(patterns: Iterable[str]) -> str:
    return ", ".join(f"`{pattern}`" for pattern in patterns)
