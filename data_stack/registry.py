"""The sources of the platform, in the order in which they run: that of their names.

A new source is one more module of `data_stack.sources`, and its files, which each module of the platform finds by the
source's name. Every command and the Airflow scheduler import this module, so it imports nothing heavy.
"""

import importlib
import pkgutil

from data_stack import sources
from data_stack.errors import TerminalError, UsageError
from data_stack.source import Source

__all__ = ["SOURCES", "Source", "get_source", "source_names"]


def _load_source(name: str) -> Source:
    source = getattr(importlib.import_module(f"{sources.__name__}.{name}"), "SOURCE", None)
    if not isinstance(source, Source) or source.name != name:
        raise TerminalError(
            f"data_stack/sources/{name}.py must define SOURCE = Source({name!r}, ...); copy that of another source"
        )
    return source


SOURCES: tuple[Source, ...] = tuple(
    _load_source(module.name) for module in sorted(pkgutil.iter_modules(sources.__path__), key=lambda found: found.name)
)


def source_names() -> list[str]:
    """Names of all sources, in running order."""
    return [source.name for source in SOURCES]


def get_source(name: str) -> Source:
    """The source of a name.

    Raises:
        UsageError: There is no such source; names the existing ones.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise UsageError(f"there is no source {name!r}; the registry knows {', '.join(source_names()) or 'none'}")
