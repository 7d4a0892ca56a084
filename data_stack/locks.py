"""One lock per resource (a raw file, the build, publishing), which the end of its holder releases, a kill included.

Where `OPS_URL` names a database, the locks are PostgreSQL's advisory locks, so that several machines respect them;
elsewhere they are flocks on files of the data folder.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from data_stack.errors import LockHeldError
from data_stack.record_store import explain_missing_driver
from data_stack.settings import Settings

# reading a raw file takes milliseconds: a writer waits for a reader, but not for another run
PATIENCE_SECONDS = 1.0

# resources that this process already holds: place and name -> shared or exclusive; steps within a run take them again
_held: dict[str, str] = {}


class LockKeeper(Protocol):
    """Takes the locks of one block; they are released together when it ends."""

    def try_lock(self, resource: str, shared: bool) -> bool:
        """Take a lock if nobody is in the way, and sign it."""
        ...

    def read_signature(self, resource: str) -> str:
        """What the holder of a lock has written into it; anything else if that is not known."""
        ...


class Locks:
    """Locks of one platform.

    Args:
        settings: The database of `OPS_URL`, or the data folder.
        owner: The run id or command; written into the lock, and shown to whoever is refused.
    """

    def __init__(self, settings: Settings, owner: str) -> None:
        self._database = settings.ops_database
        self._folder = settings.locks_dir.resolve()
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
            LockLostError: The locks are in a database, whose connection was lost in the block.
        """
        with ExitStack() as stack:
            keeper = stack.enter_context(self._open_keeper())
            for resource in sorted(set(resources)):
                stack.enter_context(self._hold_one(keeper, resource, shared, wait_seconds, notify))
            yield

    def _open_keeper(self) -> AbstractContextManager[LockKeeper]:
        signature = _make_signature(self.owner)
        if self._database is None:
            return _keep_files(self._folder, signature)
        with explain_missing_driver():
            from data_stack.postgres_locks import keep_advisory_locks
        return keep_advisory_locks(self._database, signature)

    @contextmanager
    def _hold_one(
        self, keeper: LockKeeper, resource: str, shared: bool, wait_seconds: float, notify: Callable[[str], None]
    ) -> Iterator[None]:
        name = f"{self._database or self._folder} {resource}"
        if _held.get(name) == "exclusive" or (shared and name in _held):
            yield
            return
        _acquire(keeper, resource, shared, wait_seconds, notify)
        _held[name] = "shared" if shared else "exclusive"
        try:
            yield
        finally:
            del _held[name]


@contextmanager
def hold_file(file: Path, owner: str, wait_seconds: float) -> Iterator[None]:
    """Hold the flock on a file that belongs to no data folder, for example in a lake.

    Args:
        file: The file; made if there is none.
        owner: Who holds it, for whoever is refused.
        wait_seconds: How long to wait for another holder.

    Raises:
        LockHeldError: Another process holds it; says who.
    """
    with _keep_files(file.parent, _make_signature(owner)) as keeper:
        _acquire(keeper, file.stem, False, wait_seconds, lambda _: None)
        yield


def _make_signature(owner: str) -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    # PostgreSQL keeps the first 1,024 bytes of a statement
    return json.dumps({"owner": owner[:200], "host": socket.gethostname(), "pid": os.getpid(), "since": since})


def _acquire(
    keeper: LockKeeper, resource: str, shared: bool, wait_seconds: float, notify: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + wait_seconds
    waiting = False
    while not keeper.try_lock(resource, shared):
        holder = _describe_holder(keeper.read_signature(resource))
        if time.monotonic() >= deadline:
            raise LockHeldError(f"{resource} is in use by {holder}; wait for it to end and run again")
        if not waiting:
            notify(f"waiting up to {wait_seconds:.0f} s for {resource}, in use by {holder}")
            waiting = True
        time.sleep(0.2)


class _FileKeeper:
    """Takes locks as flocks, so that a killed process leaves none behind."""

    def __init__(self, folder: Path, signature: str, stack: ExitStack) -> None:
        self._folder = folder
        self._signature = signature
        self._stack = stack
        self._handles: dict[str, IO[str]] = {}

    def try_lock(self, resource: str, shared: bool) -> bool:
        """Take the flock, and write the signature into the file."""
        handle = self._handles.get(resource) or self._open(resource)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        handle.seek(0)
        handle.truncate()
        handle.write(self._signature)
        handle.flush()
        return True

    def _open(self, resource: str) -> IO[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._handles[resource] = self._stack.enter_context((self._folder / f"{resource}.lock").open("a+"))
        return self._handles[resource]

    def read_signature(self, resource: str) -> str:
        """The text of the file."""
        handle = self._handles[resource]
        handle.seek(0)
        return handle.read()


@contextmanager
def _keep_files(folder: Path, signature: str) -> Iterator[LockKeeper]:
    with ExitStack() as stack:
        yield _FileKeeper(folder, signature, stack)


def _describe_holder(signature: str) -> str:
    try:
        who = json.loads(signature)
    except json.JSONDecodeError:
        return "another process"
    return f"{who['owner']} (pid {who['pid']} on {who['host']}, since {who['since']})"
