"""One lock per resource (a raw file, the build, publishing), by flock, so that a killed process leaves none behind."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from data_stack.errors import LockHeldError

# reading a raw file takes milliseconds: a writer waits for a reader, but not for another run
PATIENCE_SECONDS = 1.0

# resources that this process already holds: path -> shared or exclusive; steps within a run take them again
_held: dict[Path, str] = {}


class Locks:
    """Locks of one data folder.

    Args:
        folder: Where the lock files live.
        owner: The run id or command; written into the lock, and shown to whoever is refused.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.folder = folder
        self.owner = owner

    @contextmanager
    def hold(
        self,
        *resources: str,
        shared: bool = False,
        wait_seconds: float = 0,
        notify: Callable[[str], None] = lambda _: None,
    ) -> Iterator[None]:
        """Hold resources while the block runs.

        Args:
            resources: Names, for example `raw-bike`, `build`, `publish`; taken in sorted order.
            shared: Readers share a resource; a writer has it alone.
            wait_seconds: How long to wait for another holder; 0 refuses at once.
            notify: Called once with a message when waiting begins.

        Raises:
            LockHeldError: Another process holds a resource; says who.
        """
        with ExitStack() as stack:
            for resource in sorted(set(resources)):
                stack.enter_context(self._hold_one(resource, shared, wait_seconds, notify))
            yield

    @contextmanager
    def _hold_one(
        self, resource: str, shared: bool, wait_seconds: float, notify: Callable[[str], None]
    ) -> Iterator[None]:
        path = (self.folder / f"{resource}.lock").resolve()
        if _held.get(path) == "exclusive" or (shared and path in _held):
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as handle:
            self._acquire(handle, resource, shared, wait_seconds, notify)
            _held[path] = "shared" if shared else "exclusive"
            try:
                self._sign(handle)
                yield
            finally:
                del _held[path]

    def _acquire(
        self, handle: IO[str], resource: str, shared: bool, wait_seconds: float, notify: Callable[[str], None]
    ) -> None:
        deadline = time.monotonic() + wait_seconds
        waiting = False
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = _read_holder(handle)
                if time.monotonic() >= deadline:
                    raise LockHeldError(f"{resource} is in use by {holder}; wait for it to end and run again") from None
                if not waiting:
                    notify(f"waiting up to {wait_seconds:.0f} s for {resource}, in use by {holder}")
                    waiting = True
                time.sleep(0.2)

    def _sign(self, handle: IO[str]) -> None:
        handle.seek(0)
        handle.truncate()
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        json.dump({"owner": self.owner, "host": socket.gethostname(), "pid": os.getpid(), "since": since}, handle)
        handle.flush()


def _read_holder(handle: IO[str]) -> str:
    handle.seek(0)
    try:
        who = json.load(handle)
    except json.JSONDecodeError:
        return "another process"
    return f"{who['owner']} (pid {who['pid']} on {who['host']}, since {who['since']})"
