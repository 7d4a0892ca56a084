"""Fetches the next file while the rows of the one before are read."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from data_stack.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


class _StoppedError(Exception):
    """Nobody waits for the file any more."""


def fetch_ahead(items: Sequence[T], fetch: Callable[[T, Progress], R], progress: Progress) -> Iterator[tuple[T, R]]:
    """Fetch files one after the other, one file ahead of the caller.

    Args:
        items: What to fetch.
        fetch: Fetches one item in a thread, and calls the progress before it writes a piece; that raises once
            nobody waits for the file any more, such as after a file that could not be read.
        progress: Called with what `fetch` reports.

    Yields:
        Each item with what was fetched, in their order.

    Raises:
        Exception: What `fetch` raised, once the items before it are read.
    """
    is_over = threading.Event()

    def report(what: str, done: int, total: int | None) -> None:
        if is_over.is_set():
            raise _StoppedError
        progress(what, done, total)

    try:
        started = [_start(fetch, item, report) for item in items[:1]]
        for position, item in enumerate(items, 1):
            fetched = started.pop().result()
            started += [_start(fetch, following, report) for following in items[position : position + 1]]
            yield item, fetched
    finally:
        is_over.set()


def _start(fetch: Callable[[T, Progress], R], item: T, progress: Progress) -> "Future[R]":
    """Run in a thread that nobody has to wait for: one that waits for a provider would keep Ctrl-C from ending."""
    future: Future[R] = Future()

    def work() -> None:
        try:
            future.set_result(fetch(item, progress))
        except BaseException as error:
            future.set_exception(error)

    # with the variables of the log, such as the run
    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    return future
