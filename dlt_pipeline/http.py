"""HTTP as the sources need it: retries on what passes by itself, a sentence for what does not, whole files only."""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import requests
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import Settings

T = TypeVar("T")

ORIGIN_HEADER = "X-Data-Stack-Origin"
_CHUNK_BYTES = 1 << 20
_BUSY = {408, 425, 429}


class BusyError(TransientError):
    """The provider asked for patience; carries how long, in seconds."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Http:
    """A session with one retry policy for every request of a source.

    Args:
        settings: `http_attempts`, `http_timeout_seconds` and `http_backoff_seconds` are used.
    """

    def __init__(self, settings: Settings) -> None:
        self.session = requests.Session()
        self.timeout = settings.http_timeout_seconds
        self._attempts = settings.http_attempts
        self._wait = wait_exponential_jitter(initial=settings.http_backoff_seconds, max=60)

    def retry(self, attempt: Callable[[], T]) -> T:
        """Call until it works, fails terminally, or the attempts are used up.

        Raises:
            TransientError: The last failure, with the number of attempts.
        """
        policy = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(self._attempts),
            wait=self._seconds_to_wait,
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            return policy(attempt)
        except TransientError as error:
            attempts = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts"
            raise TransientError(f"{error} ({attempts}); try again later") from error

    def _announce(self, state: RetryCallState) -> None:
        structlog.get_logger().warning(
            "retrying",
            reason=str(state.outcome.exception()) if state.outcome else None,
            attempt=f"{state.attempt_number + 1} of {self._attempts}",
            seconds=round(state.upcoming_sleep, 1),
        )

    def _seconds_to_wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, BusyError) else None
        return asked if asked is not None else self._wait(state)

    def get(self, url: str, params: Mapping[str, Any] | None = None) -> requests.Response:
        """Fetch a small answer once, its body read.

        Raises:
            TransientError: Time-out, broken connection, 429 or 5xx; wrap the call in `retry`.
            TerminalError: Any other status that is not a success.
        """
        with translate_failures(url):
            response = self.session.get(url, params=params, timeout=self.timeout)
        check_status(response)
        return response

    def download_zip(self, url: str, target: Path, size: int, etag: str, progress: Progress) -> Path:
        """Fetch a zip file to `target`, which appears only when it is whole.

        Args:
            url: Address of the object.
            target: Where it goes; an existing file is taken as it is, since only whole files get this name.
            size: Bytes that the listing promised.
            etag: ETag of the listing; another one means that the object changed in between.
            progress: Told about the bytes.

        Raises:
            TransientError: It stayed cut off, corrupt or unreachable over all attempts.
        """
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.retry(lambda: self._download_once(url, target, size, etag, progress))
        return target

    def _download_once(self, url: str, target: Path, size: int, etag: str, progress: Progress) -> None:
        part = target.with_name(target.name + ".part")
        with translate_failures(url), self.session.get(url, stream=True, timeout=self.timeout) as response:
            check_status(response)
            if response.headers.get("ETag", etag).strip('"') != etag:
                raise TransientError(f"{url} changed while it was being fetched")
            _write_stream(response, part, lambda done: progress(f"fetching {_object_name(url)}", done, size))
        received = part.stat().st_size
        if received != size:
            raise TransientError(f"{url} was cut off: {received} of {size} bytes arrived")
        _check_zip(part, url)
        part.replace(target)


class translate_failures:  # noqa: N801 - used as a `with` statement, like contextlib's lower-case helpers
    """Turn the failures of `requests` into sentences.

    Args:
        url: Named in the sentence.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, requests.Timeout):
            raise TransientError(f"{self.url} did not answer in time") from error
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            raise TransientError(f"{self.url} cannot be reached: {_why(error)}") from error
        if isinstance(error, requests.RequestException):
            raise TerminalError(f"{self.url} cannot be fetched: {type(error).__name__}; check the base URL") from error


def _why(error: requests.RequestException) -> str:
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here"
    if "NameResolutionError" in text:
        return "its name is not known here (is there a network?)"
    return "it refuses the connection" if "refused" in text else "the connection broke off"


def check_status(response: requests.Response) -> None:
    """Sort an answer that is not a success into transient and terminal.

    Raises:
        TransientError: 408, 425, 429 or 5xx.
        TerminalError: Any other failure.
    """
    status, url = response.status_code, response.url
    if status in _BUSY or status >= 500:
        raise BusyError(f"{url} answered {status}", _retry_after(response))
    if status >= 400:
        raise TerminalError(f"{url} answered {status}; check the base URL and what was asked for")


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 300.0) if value.isdigit() else None


def _object_name(url: str) -> str:
    return unquote(url.rsplit("/", 1)[-1])


def _write_stream(response: requests.Response, part: Path, advance: Callable[[int], None]) -> None:
    done = 0
    with part.open("wb") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            advance(done)


def _check_zip(part: Path, url: str) -> None:
    try:
        with zipfile.ZipFile(part) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError):
        raise TransientError(f"{url} is damaged or not a zip file; the provider may have sent an error page") from None
    if broken:
        raise TransientError(f"{url} is damaged: {broken} inside fails its checksum")
