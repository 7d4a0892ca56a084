"""Takes what is removed out of documents: its section, row of a table, item of a list, line of code, name in a row."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from scaffold.tree import Tree

# history, and what the tests plant
_LEFT_ALONE = ("context/spec/", "CHANGELOG.md", "tests/agents/")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.) ")
_WORD = re.compile(r"[\w./-]*\w")
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^)#]+)")
_HEADING = re.compile(r"#+ ")
_SEPARATOR = re.compile(r"\s*\|[\s|:-]+\|\s*")


class Mentions:
    """Finds what names a removed file or model.

    Args:
        tree: The repository, with the files that are to be removed.
        removed: Files that are to be removed.
        names: Models and other nodes that are to be removed.
        source_name: The source that is to be removed.
    """

    def __init__(self, tree: Tree, removed: Iterable[str], names: Iterable[str], source_name: str) -> None:
        self._tree = tree
        self._names = set(names)
        self._source_name = re.compile(rf"(?<![\w./-]){re.escape(source_name)}(?![\w./-])")
        gone = set(removed)
        self._ends = {end for path in gone for end in _list_ends(path)}
        self._ends -= {end for path in tree.files if path not in gone for end in _list_ends(path)}

    def find_changed_documents(self) -> dict[str, str]:
        """Find the documents that name something removed.

        Returns:
            Their new text, by path.
        """
        changed: dict[str, str] = {}
        for path in self._tree.list_files("", ".md"):
            if not path.startswith(_LEFT_ALONE):
                text = self.remove_from(self._tree.read(path))
                changed |= {path: text} if text != self._tree.read(path) else {}
        return changed

    def remove_from(self, text: str) -> str:
        """Remove from a document in Markdown what is about something removed.

        A section goes when a paragraph of it links to a removed file; a row, an item and a line of code go when they
        name one, or the source itself in code.
        """
        kept: list[str] = []
        for section in _split_sections(text):
            blocks = _split_blocks(section)
            if not any(self._is_link_in_paragraph(block) for block in blocks):
                kept += _drop_empty_tables([line for block in blocks for line in self._filter_block(block)])
        return "".join(kept)

    def _is_link_in_paragraph(self, block: "_Block") -> bool:
        return block.kind == "paragraph" and any(link in self._ends for link in _LINK.findall(block.text))

    def _filter_block(self, block: "_Block") -> list[str]:
        if block.kind == "row":
            return self._filter_row(block.text)
        is_gone = block.kind != "paragraph" and self._has_mention(block.text, is_code=block.kind == "code")
        return [] if is_gone else [block.text]

    def _filter_row(self, line: str) -> list[str]:
        if not self._has_mention(line) or _SEPARATOR.fullmatch(line):
            return [line]
        cells = line.strip().strip("|").split("|")
        if self._has_mention(cells[0]):
            return []
        filtered = [self._filter_cell(cell) for cell in cells]
        if any(not cell and old.strip() for cell, old in zip(filtered, cells, strict=True)):
            return []
        return [f"| {' | '.join(filtered)} |\n"]

    def _filter_cell(self, cell: str) -> str:
        parts = cell.strip().split(", ")
        kept = [part for part in parts if not self._has_mention(part)]
        # what introduces a list of names goes on to introduce it: "facts: `a`, `b`" without `a`
        head, colon, _ = parts[0].partition(": ")
        if kept and colon and parts[0] not in kept and not self._has_mention(head):
            kept[0] = f"{head}: {kept[0]}"
        return ", ".join(kept)

    def _has_mention(self, text: str, is_code: bool = False) -> bool:
        code = [text] if is_code else _CODE.findall(text)
        is_named = any(self._source_name.search(span) for span in code)
        return is_named or any(self._is_removed(word) for word in _WORD.findall(text))

    def _is_removed(self, word: str) -> bool:
        return word in self._ends or word.rpartition(".")[2] in self._names


def _list_ends(path: str) -> list[str]:
    """How a document may name a file: its path, from any of its folders on."""
    parts = PurePosixPath(path).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]


@dataclass(frozen=True)
class _Block:
    """Lines of a document that go or stay together: a row, a line of code, an item with its lines, or a paragraph."""

    kind: Literal["row", "code", "item", "paragraph"]
    text: str


def _split_sections(text: str) -> list[str]:
    """Split a document before its headings; a comment in a block of code is none."""
    sections, is_fenced = [""], False
    for line in text.splitlines(keepends=True):
        is_fenced ^= line.startswith("```")
        if _HEADING.match(line) and not is_fenced:
            sections.append("")
        sections[-1] += line
    return sections


def _split_blocks(section: str) -> list[_Block]:
    blocks: list[_Block] = []
    is_fenced = False
    for line in section.splitlines(keepends=True):
        is_fence = line.startswith("```")
        is_fenced ^= is_fence
        kind = _find_kind(line, is_fenced and not is_fence)
        last = blocks[-1] if blocks else _Block("row", "")
        is_item_going_on = last.kind == "item" and line.startswith("  ")
        if kind == "paragraph" and (is_item_going_on or (last.kind == kind and line.strip() and last.text.strip())):
            blocks[-1] = _Block(last.kind, last.text + line)
        else:
            blocks.append(_Block(kind, line))
    return blocks


def _find_kind(line: str, is_code: bool) -> Literal["row", "code", "item", "paragraph"]:
    if is_code:
        return "code"
    if line.lstrip().startswith("|"):
        return "row"
    return "item" if _ITEM.match(line) else "paragraph"


def _drop_empty_tables(lines: list[str]) -> list[str]:
    """Drop the head of a table that has no row left."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        is_last = not following.lstrip().startswith("|")
        if _SEPARATOR.fullmatch(line) and is_last:
            kept.pop()
            continue
        kept.append(line)
    return kept
