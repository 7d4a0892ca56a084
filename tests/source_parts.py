"""What the tests know about each source: the modules of `sources/<name>/`."""

import importlib
from pathlib import Path
from types import ModuleType

from data_stack.registry import source_names


def find_part(source_name: str, part: str) -> ModuleType:
    """A module of what the tests know about a source.

    Args:
        source_name: A name in the registry.
        part: Name of the module, for example `cases`.

    Raises:
        FileNotFoundError: The source has no such module; names the missing file.
    """
    path = Path(__file__).parent / "sources" / source_name / f"{part}.py"
    if not path.exists():
        raise FileNotFoundError(f"tests/sources/{source_name}/{part}.py is missing; copy that of another source")
    return importlib.import_module(f"sources.{source_name}.{part}")


def find_parts(part: str) -> dict[str, ModuleType]:
    """The module of every source of the registry, by source; errors as `find_part`.

    Args:
        part: Name of the module, for example `cases`.
    """
    return {name: find_part(name, part) for name in source_names()}
