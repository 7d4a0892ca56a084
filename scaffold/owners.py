"""Which specialist owns a file: the definitions in `.awos/subagents/` say it."""

import fnmatch
from functools import cache

from data_stack.settings import PROJECT_ROOT

SUBAGENTS = PROJECT_ROOT / ".awos" / "subagents"


def find_owner(path: str) -> str | None:
    """The specialist of a file; of several, the one that names it more exactly.

    Args:
        path: Relative to the repository.

    Returns:
        Name of the specialist; None if nobody owns the file.
    """
    owning = [(len(pattern), name) for pattern, name in _read_patterns() if fnmatch.fnmatch(path, pattern)]
    return max(owning)[1] if owning else None


@cache
def _read_patterns() -> tuple[tuple[str, str], ...]:
    import yaml

    found = []
    for definition in sorted(SUBAGENTS.glob("*.md")):
        header = yaml.safe_load(definition.read_text().split("---")[1])
        found += [(pattern, header["name"]) for pattern in header.get("owns", ())]
    return tuple(found)
