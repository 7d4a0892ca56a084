"""The files of the repository as git sees them, and the words that stand in its code."""

import re
import subprocess
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

ALLOWED = ".awos/scripts/docs_check/allowed.txt"
# the tests name on purpose what does not exist, the list what is not ours: neither proves that a name exists
NOT_EVIDENCE = ("tests/agents/", ALLOWED, "uv.lock", "LICENSE")
_WORD = re.compile(r"[A-Za-z_]\w*")
_HYPHENATED = re.compile(r"(?:--)?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+|--[a-z]+")
_LOCKED = re.compile(r'^name = "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, order=True)
class Finding:
    """Something that is named and does not exist, or is not as it must be.

    Attributes:
        path: File, relative to the repository.
        line: Line in it, from 1.
        text: What is wrong, and the remedy.
    """

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def glob_to_regex(glob: str) -> re.Pattern[str]:
    """A glob in which `**` crosses folders and `*` does not.

    Args:
        glob: Relative to the repository.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))


@dataclass
class Repository:
    """A working copy: what git tracks or would track.

    Args:
        root: Folder of the repository.
    """

    root: Path
    _texts: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def files(self) -> list[str]:
        """Paths of all files, sorted; none that is ignored, none that is deleted but still in the index."""
        command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout  # noqa: S603
        return sorted({path for path in listed.split("\0") if path and (self.root / path).is_file()})

    @cached_property
    def paths(self) -> set[str]:
        """Files and the folders that hold them."""
        folders = {str(parent) for path in self.files for parent in PurePosixPath(path).parents}
        return {*self.files, *folders} - {"."}

    @cached_property
    def top_level(self) -> set[str]:
        """Names in the repository's first folder."""
        return {path for path in self.paths if "/" not in path}

    @cached_property
    def documents(self) -> list[str]:
        """The Markdown files."""
        return [path for path in self.files if path.endswith(".md")]

    def text(self, path: str) -> str | None:
        """Text of a file, or None where it holds something else.

        Args:
            path: Relative to the repository.
        """
        if path not in self._texts:
            content = (self.root / path).read_bytes()
            self._texts[path] = None if b"\0" in content[:4096] else content.decode("utf-8", errors="replace")
        return self._texts[path]

    def under(self, glob: str) -> list[str]:
        """Files that a glob matches.

        Args:
            glob: Relative to the repository.
        """
        pattern = glob_to_regex(glob)
        return [path for path in self.files if pattern.fullmatch(path)]

    def matches(self, glob: str) -> bool:
        """Whether a path or glob names a file or folder.

        Args:
            glob: Relative to the repository.
        """
        if "*" not in glob and "?" not in glob:
            return glob in self.paths
        pattern = glob_to_regex(glob)
        return any(pattern.fullmatch(path) for path in self.paths)

    @cached_property
    def code(self) -> dict[str, str]:
        """Text of every file that proves that a name exists: no document, no test of these checks."""
        kept = [path for path in self.files if not path.endswith(".md") and not path.startswith(NOT_EVIDENCE)]
        return {path: text for path in kept if (text := self.text(path)) is not None}

    @cached_property
    def words(self) -> frozenset[str]:
        """Words of the code, names of its files, folders and locked packages, and hyphenated words and options."""
        found: set[str] = set(_LOCKED.findall(self.text("uv.lock") or "") if "uv.lock" in self.paths else [])
        for text in self.code.values():
            found.update(_WORD.findall(text))
            found.update(_HYPHENATED.findall(text))
        for path in self.paths:
            found.update(_WORD.findall(path))
        return frozenset(found)

    def has_word(self, word: str) -> bool:
        """Whether a word stands in the code; with `*`, whether one of its shape does.

        Args:
            word: A name; one that begins or ends with `_` may be part of a longer one.
        """
        if word in self.words:
            return True
        pattern = "*" + word if word.startswith("_") else word
        pattern = pattern + "*" if word.endswith("_") else pattern
        return "*" in pattern and any(fnmatchcase(known, pattern) for known in self.words)


class Allowed:
    """Names of the outside world; one that saves no document from a finding is itself a finding.

    Args:
        repository: Where the list is.
    """

    def __init__(self, repository: Repository) -> None:
        text = repository.text(ALLOWED) if ALLOWED in repository.paths else ""
        self._lines: dict[str, int] = {}
        self._twice: list[Finding] = []
        self._used: set[str] = set()
        for number, line in enumerate((text or "").splitlines(), 1):
            self._read(number, line.partition("# ")[0].strip())

    def _read(self, number: int, name: str) -> None:
        if not name or name == "#":
            return
        if name in self._lines:
            self._twice.append(Finding(ALLOWED, number, f"{name} stands twice; delete this line"))
        self._lines.setdefault(name, number)

    def takes(self, name: str) -> bool:
        """Whether a name that was not found is one of the list.

        Args:
            name: As the document has it.
        """
        if name in self._lines:
            self._used.add(name)
        return name in self._lines

    def unused(self) -> list[Finding]:
        """Entries that no document needs."""
        idle = {name: line for name, line in self._lines.items() if name not in self._used}
        return self._twice + [
            Finding(ALLOWED, line, f"{name} is not needed by any document; delete the line")
            for name, line in idle.items()
        ]
