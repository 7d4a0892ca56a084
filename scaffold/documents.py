"""Takes what is removed out of documents: its row of a table, item of a list, line of code, name in a row of names."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from scaffold.tree import Tree

# history, and what the tests plant
_LEFT_ALONE = ("context/spec/", "CHANGELOG.md", "tests/agents/")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.) ")
_WORD = re.compile(r"[\w./-]*\w")
_SEPARATOR = re.compile(r"\s*\|[\s|:-]+\|\s*")


class Mentions:
    """Finds what names a removed file or model.

    Args:
        tree: The repository, with the files that are to be removed.
        removed: Files that are to be removed.
        names: Models and other nodes that are to be removed.
    """

    def __init__(self, tree: Tree, removed: Iterable[str], names: Iterable[str]) -> None:
        self._tree = tree
        self._names = set(names)
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
        """Remove the rows, items and lines of code that name something removed from a document in Markdown."""
        kept: list[str] = []
        is_fenced = False
        for block in _split_blocks(text):
            is_fenced ^= block[0].startswith("```")
            if block[0].lstrip().startswith("|"):
                kept += self._filter_row(block[0])
            elif not ((is_fenced or _ITEM.match(block[0])) and self._has_mention("".join(block))):
                kept += block
        return "".join(_drop_empty_tables(kept))

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

    def _has_mention(self, text: str) -> bool:
        return any(self._is_removed(word) for word in _WORD.findall(text))

    def _is_removed(self, word: str) -> bool:
        return word in self._ends or word.rpartition(".")[2] in self._names


def _list_ends(path: str) -> list[str]:
    """How a document may name a file: its path, from any of its folders on."""
    parts = PurePosixPath(path).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _split_blocks(text: str) -> list[list[str]]:
    """Lines of a document; an item of a list has its continuation lines with it."""
    blocks: list[list[str]] = []
    for line in text.splitlines(keepends=True):
        is_continued = bool(blocks) and _ITEM.match(blocks[-1][0]) and line.startswith("  ") and not _ITEM.match(line)
        if is_continued:
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


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
