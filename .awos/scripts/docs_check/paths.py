"""Whether a path in a document leads to a file, a folder, or what only a run makes."""

import re
from pathlib import PurePosixPath

from docs_check.inventory import Inventory
from docs_check.markdown import Page
from docs_check.repository import Repository

ENDINGS = (
    "py sql yml yaml toml json sh lock html md ipynb txt csv zip cfg ini css duckdb sqlite log env example parquet"
).split()
PLACEHOLDER = re.compile(r"<[^<>]*>|\{[^{},]*\}|\[[^\[\]/]*\]|\.\.\.|…|NNN(?:-name)?|\b(?:NAME|SOURCE|FILE|DIR)\b")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_PATH = re.compile(r"[\w.*?@-][\w.*?/@+-]*")
_ENDING = re.compile(rf"[\w*-][\w.*-]*\.(?:{'|'.join(ENDINGS)})|\.[a-z][\w.-]*")
_PROGRAMS = ".venv/bin/"
# documents that belong to no module name files of all of them
_NO_MODULE = frozenset({".awos", ".claude", "context", "docs"})


class Paths:
    """Resolves the paths that documents name.

    Args:
        repository: The working copy.
        inventory: Knows what a run makes.
    """

    def __init__(self, repository: Repository, inventory: Inventory) -> None:
        self._repository = repository
        self._inventory = inventory

    def is_path(self, path: str) -> bool:
        """Whether a word of a document is meant as a path.

        Args:
            path: What `as_path` made of the word.
        """
        return "/" in path or path in self._repository.top_level or _ENDING.fullmatch(path) is not None

    def exists(self, page: Page, path: str) -> bool:
        """Whether everything that a path stands for is there.

        Args:
            page: The document that names it.
            path: Relative to the repository or to the document; may have placeholders, braces and stars.
        """
        return all(self._exists(page, one) for one in _expand(path))

    def _exists(self, page: Page, path: str) -> bool:
        folder = PurePosixPath(page.path).parent
        glob = PLACEHOLDER.sub("*", path).removeprefix("./").rstrip("/")
        if glob.startswith("../"):
            glob = normal(folder / glob)
        if glob.startswith(_PROGRAMS):
            return self._repository.has_word(glob.removeprefix(_PROGRAMS))
        candidates = [path.rstrip("/"), glob, f"{folder}/{glob}"]
        if "/" not in glob:
            candidates.append(f"{folder}/**/{glob}" if _in_module(page) else f"**/{glob}")
        found = any(self._repository.matches(candidate) for candidate in candidates)
        return found or self._inventory.is_runtime(glob) or _is_any(glob)


def as_path(word: str) -> str | None:
    """The path in a word, without quotes, punctuation, a test's name or a line; None where it cannot be one.

    Args:
        word: A word of a document.
    """
    path = re.sub(r"(::.*|:\d+)$", "", word.strip("\"'(),;:").rstrip("."))
    plain = PLACEHOLDER.sub("x", _BRACES.sub("x", path)).replace("$", "")
    return path if _PATH.fullmatch(plain) else None


def is_outside(word: str) -> bool:
    """Whether a word is a URL, a place outside the repository, or a number.

    Args:
        word: A word of a document.
    """
    return "://" in word or word.startswith(("/", "~")) or word.lstrip("-")[:1].isdigit()


def normal(path: PurePosixPath) -> str:
    """A path without `.` and `..`.

    Args:
        path: Relative to the repository.
    """
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _expand(path: str) -> list[str]:
    found = _BRACES.search(path)
    if not found:
        return [path]
    before, after = path[: found.start()], path[found.end() :]
    return [whole for part in found[1].split(",") for whole in _expand(before + part + after)]


def _in_module(page: Page) -> bool:
    return "/" in page.path and page.path.split("/")[0] not in _NO_MODULE


def _is_any(glob: str) -> bool:
    """`<file>.json`: any file, which needs not be in git."""
    return "/" not in glob and re.fullmatch(r"\**(\.\w+)?", glob) is not None
