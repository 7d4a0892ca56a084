"""Which sources are registered in a test, and two that only tests register."""

import sys
from collections.abc import Sequence

import pytest

from data_stack import registry
from data_stack.registry import Source

ACCOUNTS = Source(
    "accounts",
    "Accounts of a database",
    table="accounts",
    key="id",
    replaces=("id",),
    fact="core.fct_accounts",
    day="updated_on",
    has_window=False,
)
VISITS = Source(
    "visits",
    "Visits by UTC day",
    table="visits",
    key="id",
    replaces=("day_utc",),
    fact="core.fct_visits",
    day="day_utc",
)


def set_sources(monkeypatch: pytest.MonkeyPatch, sources: Sequence[Source]) -> None:
    """Replace the sources of the registry, also in the modules that imported them."""
    for module in list(sys.modules.values()):
        if vars(module).get("SOURCES") is registry.SOURCES and module is not registry:
            monkeypatch.setattr(module, "SOURCES", tuple(sources))
    monkeypatch.setattr(registry, "SOURCES", tuple(sources))
