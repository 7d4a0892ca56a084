"""What the roof gives to the API and its agents, because a module imports no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data_stack.window import Window

LineageReader = Callable[[str], Mapping[str, Any]]
"""The nodes of a name, with what is upstream and downstream of them; raises NotFoundError for an unknown name."""


@dataclass(frozen=True)
class RunRequest:
    """A run that somebody asks for.

    Attributes:
        sources: Names of the registry; empty only where none is registered.
        window: Days to load; None takes the latest that the providers have.
    """

    sources: tuple[str, ...]
    window: Window | None = None

    def describe(self) -> str:
        """The run in words."""
        days = f"from {self.window.start} to {self.window.end}" if self.window else "with the latest days"
        return f"a run of {', '.join(self.sources) or 'no source'} {days}"


RunStarter = Callable[[RunRequest], str]
"""Starts `data-stack run` as a process of its own and returns the run's identifier; raises TerminalError."""


@dataclass(frozen=True)
class Roof:
    """The parts of the roof; the tool of a part that is not given is absent.

    Attributes:
        read_lineage: Answers where data comes from.
        start_run: Starts a run.
    """

    read_lineage: LineageReader | None = None
    start_run: RunStarter | None = None
