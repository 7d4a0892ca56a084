"""The files of the repository as git sees them, and the words of its code."""

import re
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ALLOWED = ".awos/scripts/docs_check/allowed.txt"
# these files name things that do not exist or are not ours, so they do not prove that a name exists
_NOT_EVIDENCE = ("tests/agents/", "tests/scaffold/", "benchmarks/mutations/", ALLOWED, "uv.lock", "LICENSE")
_WORD = re.compile(r"[A-Za-z_]\w*")
_HYPHENATED = re.compile(r"(?:--)?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+|--[a-z]+")
_LOCKED = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
_GLOB_PARTS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, order=True)
class Finding:
    """Something wrong in a file.

    Attributes:
        path: File, relative to the repository.
        line: Line in the file, from 1.
        text: What is wrong and how to fix it.
    """

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Repository:
    """What git tracks or would track.

    Args:
        root: Folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S603
        files = sorted({path for path in listed.split("\0") if path and (root / path).is_file()})
        self.texts = {path: (root / path).read_bytes().decode(errors="replace") for path in files}
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
        self.paths = {*files, *folders} - {"."}

    def find(self, glob: str) -> list[str]:
        """Find files and folders, sorted.

        Args:
            glob: Relative to the repository; `**` crosses folders and `*` does not.
        """
        if "*" not in glob and "?" not in glob:
            return [glob] if glob in self.paths else []
        return sorted(filter(_compile_glob(glob).fullmatch, self.paths))

    @cached_property
    def code(self) -> dict[str, str]:
        """Text of every file that proves that a name exists, by path."""
        return {p: text for p, text in self.texts.items() if not p.endswith(".md") and not p.startswith(_NOT_EVIDENCE)}

    @cached_property
    def words(self) -> frozenset[str]:
        """Words and options of the code, parts of paths, and names of locked packages."""
        locked = _LOCKED.findall(self.texts.get("uv.lock", ""))
        return frozenset(_WORD.findall("\n".join(self.paths))).union(locked, *map(_find_words, self.code.values()))

    def has_word(self, word: str) -> bool:
        """Check whether the code contains a word.

        Args:
            word: A name; `*` stands for any text, and a leading or trailing `_` marks a part of a longer name.
        """
        glob = f"{'*' * word.startswith('_')}{word}{'*' * word.endswith('_')}"
        return word in self.words or ("*" in glob and any(fnmatchcase(known, glob) for known in self.words))


# by text, as tests check many copies of the same files
@cache
def _find_words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text) + _HYPHENATED.findall(text))


@cache
def _compile_glob(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(_GLOB_PARTS.get(part, re.escape(part)) for part in parts))
