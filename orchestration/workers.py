"""Processes for the gate and the build of one run, which import their large libraries while the sources are loaded.

Great Expectations and dbt take seconds to import. A run that has a process of its own starts both when a source has
something to fetch, and hands them their steps later. A process that runs several commands, as tests do, does all by
itself.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from data_stack.errors import DataStackError, TerminalError
from data_stack.redaction import describe_error

if TYPE_CHECKING:
    # imported late: every command, `--help` too, imports this module
    from data_stack.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
Prepare = Callable[["Settings"], None]

_SECONDS_TO_END = 2

_is_enabled = False


def enable_workers() -> None:
    """Let the runs of this process start workers: it has one command to run, and its modules are those of the files."""
    global _is_enabled
    _is_enabled = True


class Worker:
    """A process that prepares itself, and then does one call after the other.

    Args:
        name: For messages.
        prepare: Imports what its calls need; where that fails, the call itself says why.
        settings: What it is prepared for.
    """

    def __init__(self, name: str, prepare: Prepare, settings: "Settings") -> None:
        self._name, self._prepare, self._settings = name, prepare, settings
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process, unless it is started, and do not wait until it is prepared."""
        if self._process:
            return
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._prepare, self._settings), daemon=True)
        self._process.start()
        other.close()

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the process, or here if it was not started.

        Args:
            function: Of a module, so that the process finds it by its name.
            args: Its arguments, which are copied.
            kwargs: Its named arguments.

        Raises:
            TerminalError: The process has ended before it answered.
            Exception: What the function raised.
        """
        if self._connection is None:
            return function(*args, **kwargs)
        try:
            self._connection.send((function, args, kwargs))
            is_done, answer = self._connection.recv()
        except (EOFError, OSError):
            raise TerminalError(
                f"the process of the {self._name} was ended from outside, for example because memory ran out; "
                "nothing was published; lower DUCKDB_MEMORY_LIMIT or free memory, and run again"
            ) from None
        if is_done:
            return answer  # type: ignore[no-any-return]
        raise answer

    def release(self) -> None:
        """Let the process end while the run goes on, as that takes a second; later calls are done here."""
        if self._connection:
            # a process that waits for a call ends by itself, and gives back the semaphores of its libraries
            self._connection.close()
            self._connection = None

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.release()
        if self._process:
            self._process.join(_SECONDS_TO_END)
            self._process.terminate()
            self._process.join()


def _serve(connection: Connection, prepare: Prepare, settings: "Settings") -> None:
    # Ctrl-C reaches every process of the terminal; the one that started this one ends it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from data_stack.logs import configure_logs

    configure_logs(settings.log_level)
    with suppress(Exception):
        prepare(settings)
    while True:
        try:
            function, args, kwargs = connection.recv()
        except EOFError:
            return
        connection.send(_answer(function, args, kwargs))


def _answer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return True, function(*args, **kwargs)
    except Exception as error:
        # an error of a library cannot always be copied
        failure = error if isinstance(error, DataStackError) else TerminalError(describe_error(error))
        # a traceback does not travel with its error; `--debug` shows notes
        failure.add_note(traceback.format_exc())
        return False, failure


def prepare_gate(_settings: "Settings") -> None:
    """Import Great Expectations."""
    import data_quality.evaluate  # noqa: F401 - imported for the calls that follow


def prepare_build(settings: "Settings") -> None:
    """Import dbt and parse the project."""
    from dbt_runner.build import parse_project

    settings.build_dir.mkdir(parents=True, exist_ok=True)
    parse_project(settings)


class Workers:
    """The processes of one run.

    Args:
        settings: Of the run.

    Attributes:
        gate: For `validate`.
        build: For `transform`.
    """

    def __init__(self, settings: "Settings") -> None:
        self.gate = Worker("gate", prepare_gate, settings)
        self.build = Worker("build", prepare_build, settings)

    def start(self) -> None:
        """Start the processes, unless this process has to do everything itself."""
        if _is_enabled:
            self.gate.start()
            self.build.start()

    def close(self) -> None:
        """End the processes, whatever they do."""
        self.gate.stop()
        self.build.stop()
