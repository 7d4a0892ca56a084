"""How long work reports its progress."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and the total; None where the total is not known."""


def ignore_progress(what: str, done: int, total: int | None) -> None:
    """Show nothing: the progress of whoever has no terminal."""
