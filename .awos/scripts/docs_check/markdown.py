"""What a Markdown file names: code spans, fenced blocks, links, headings and tables, each with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w-]*)")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n)[\s\S])+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
PLANNED = re.compile(r"\s*\(planned\)")


@dataclass(frozen=True)
class Named:
    """A piece of text that may name something.

    Attributes:
        line: Line of the file, from 1.
        text: The piece, without its marks.
        planned: Whether `(planned)` follows it: it must not exist yet.
        language: Of the fenced block that it is a line of; None for a code span.
    """

    line: int
    text: str
    planned: bool = False
    language: str | None = None


@dataclass(frozen=True)
class Heading:
    """A heading: its line, level from 1, and title."""

    line: int
    level: int
    title: str


@dataclass
class Page:
    """A Markdown file.

    Args:
        path: Relative to the repository.
        text: The whole file.
    """

    path: str
    text: str

    @cached_property
    def _lines(self) -> list[tuple[str, str | None]]:
        """Each line with the language of the fenced block that it stands in; the fences themselves are empty."""
        lines: list[tuple[str, str | None]] = []
        mark, language = "", ""
        for line in self.text.splitlines():
            fence = _FENCE.match(line)
            if fence and (not mark or fence[1].startswith(mark)):
                mark, language = ("", "") if mark else (fence[1], fence[2])
                lines.append(("", None))
            else:
                lines.append((line, language if mark else None))
        return lines

    @cached_property
    def outside(self) -> str:
        """The text with the fenced blocks left empty, line by line."""
        return "\n".join("" if language is not None else line for line, language in self._lines)

    @cached_property
    def prose(self) -> list[str]:
        """The lines without fenced blocks and code spans."""
        return _SPAN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.outside).split("\n")

    @cached_property
    def spans(self) -> list[Named]:
        """The code spans."""
        return [
            Named(
                self.outside.count("\n", 0, found.start()) + 1,
                " ".join(found[2].split()),
                bool(PLANNED.match(self.outside, found.end())),
            )
            for found in _SPAN.finditer(self.outside)
        ]

    @cached_property
    def fenced(self) -> list[Named]:
        """The lines of fenced blocks."""
        return [
            Named(number, line, "(planned)" in line, language)
            for number, (line, language) in enumerate(self._lines, 1)
            if language is not None and line.strip()
        ]

    @cached_property
    def links(self) -> list[Named]:
        """Targets of links."""
        return [
            Named(number, found[1], bool(PLANNED.match(line, found.end())))
            for number, line in enumerate(self.prose, 1)
            for found in _LINK.finditer(line)
        ]

    @cached_property
    def headings(self) -> list[Heading]:
        """The headings, in order; code in them is kept."""
        found = ((number, _HEADING.match(line)) for number, line in enumerate(self.outside.split("\n"), 1))
        return [Heading(number, len(match[1]), match[2]) for number, match in found if match]

    @cached_property
    def anchors(self) -> set[str]:
        """What a link to a heading of this file may say after the `#`."""
        return {re.sub(r"[^\w\- ]", "", heading.title.lower()).replace(" ", "-") for heading in self.headings}

    def cells(self, header: re.Pattern[str]) -> Iterator[tuple[int, str]]:
        """Cells of the table columns whose header a pattern finds, with their lines.

        Args:
            header: Searched in each header cell.
        """
        columns: list[int] | None = None
        lines = self.outside.split("\n")
        for number, line in enumerate(lines, 1):
            cells = _cells(line)
            if not cells:
                columns = None
            elif columns is None:
                columns = [index for index, cell in enumerate(cells) if header.search(cell)]
            elif not set(line) <= set("|-: \t"):
                yield from ((number, cells[index]) for index in columns if index < len(cells))


def _cells(line: str) -> list[str]:
    stripped = line.strip()
    return [cell.strip() for cell in stripped.strip("|").split("|")] if stripped.startswith("|") else []
