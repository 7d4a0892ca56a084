"""HTTP for the sources: temporary failures are retried, others are explained, and only complete files are accepted."""

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import requests
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import Settings
from dlt_pipeline.landing import Part
from dlt_pipeline.zips import DAMAGE_ERRORS

T = TypeVar("T")

ORIGIN_HEADER = "X-Data-Stack-Origin"
_CHUNK_BYTES = 1 << 20
_BUSY_STATUSES = {408, 425, 429}
_RETRY_AFTER_MAX_SECONDS = 300.0


class BusyError(TransientError):
    """The provider has no capacity now.

    Attributes:
        retry_after: Seconds after which the provider wants the next request; None if it did not say.
    """

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
        self._backoff = wait_exponential_jitter(initial=settings.http_backoff_seconds, max=60)

    def retry(self, attempt: Callable[[], T]) -> T:
        """Call until it succeeds, fails terminally, or all attempts are used.

        Raises:
            TransientError: The last failure, with the number of attempts.
        """
        policy = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(self._attempts),
            wait=self._choose_wait,
            before_sleep=self._log_retry,
            reraise=True,
        )
        try:
            return policy(attempt)
        except TransientError as error:
            attempts = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts"
            raise TransientError(f"{error} ({attempts}); try again later") from error

    def _choose_wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: what the provider asked for, otherwise an exponential backoff."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, BusyError) else None
        return self._backoff(state) if asked is None else asked

    def _log_retry(self, state: RetryCallState) -> None:
        structlog.get_logger().warning(
            "retrying",
            reason=str(state.outcome.exception()) if state.outcome else None,
            attempt=f"{state.attempt_number + 1} of {self._attempts}",
            seconds=round(state.upcoming_sleep, 1),
        )

    def get(self, url: str, params: Mapping[str, Any] | None = None) -> requests.Response:
        """Fetch a small answer once, including its body.

        Raises:
            TransientError: Time-out, broken connection, 429 or 5xx; wrap the call in `retry`.
            TerminalError: Any other status that is not a success.
        """
        with translate_failures(url):
            response = self.session.get(url, params=params, timeout=self.timeout)
        check_status(response)
        return response

    def download_zip(self, url: str, part: Part, size: int, etag: str, progress: Progress) -> str:
        """Fetch a zip file once, and check that it is complete and undamaged.

        Args:
            url: URL of the object.
            part: Where the bytes go.
            size: Bytes of the object according to the listing.
            etag: ETag of the listing; a different one means that the object has changed since. S3 gives the MD5 of an
                object that was uploaded in one piece; where it is that of the bytes, they need not be unzipped here.
            progress: Called with the bytes received so far.

        Returns:
            The origin: `live`, or what the provider says.

        Raises:
            TransientError: The file was truncated, damaged or unreachable; wrap the call in `retry`.
            TerminalError: The provider has no such object.
        """
        with translate_failures(url), self.session.get(url, stream=True, timeout=self.timeout) as response:
            check_status(response)
            if response.headers.get("ETag", etag).strip('"') != etag:
                raise TransientError(f"{url} changed while it was being fetched")
            found = hashlib.md5(usedforsecurity=False)
            for chunk in response.iter_content(_CHUNK_BYTES):
                # first, as it stops a download that nobody waits for any more
                progress(f"fetching {unquote(url.rsplit('/', 1)[-1])}", part.size_bytes + len(chunk), size)
                part.write(chunk)
                found.update(chunk)
        if part.size_bytes != size:
            raise TransientError(f"{url} was truncated: {part.size_bytes} of {size} bytes arrived")
        part.flush()
        _check_zip(part.path, url, is_intact=found.hexdigest() == etag)
        return read_origin(response)


def read_origin(response: requests.Response) -> str:
    """Where an answer comes from: `live`, unless a header says that it is from the sample."""
    return str(response.headers.get(ORIGIN_HEADER, "live"))


@contextmanager
def translate_failures(url: str) -> Iterator[None]:
    """Raise the failures of `requests` as ours.

    Args:
        url: The URL, as the message names it.

    Raises:
        TransientError: The provider did not answer in time, or cannot be reached.
        TerminalError: The request itself is invalid.
    """
    try:
        yield
    except requests.Timeout as error:
        raise TransientError(f"{url} did not answer in time") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise TransientError(f"{url} cannot be reached: {_describe_connection_failure(error)}") from error
    except requests.RequestException as error:
        raise TerminalError(f"{url} cannot be fetched: {type(error).__name__}; check the base URL") from error


def _describe_connection_failure(error: requests.RequestException) -> str:
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "this machine does not trust its certificate"
    if "NameResolutionError" in text:
        return "its host name cannot be resolved (is there a network?)"
    return "it refuses the connection" if "refused" in text else "the connection was interrupted"


def check_status(response: requests.Response) -> None:
    """Check the status of an answer.

    Raises:
        BusyError: The provider is unavailable for now (408, 425, 429 or 5xx).
        TerminalError: Any other error status.
    """
    status, url = response.status_code, response.url
    if status in _BUSY_STATUSES or status >= 500:
        value = response.headers.get("Retry-After", "")
        retry_after = min(float(value), _RETRY_AFTER_MAX_SECONDS) if value.isdigit() else None
        raise BusyError(f"{url} answered {status}", retry_after)
    if status >= 400:
        raise TerminalError(f"{url} answered {status}; check the base URL and the parameters of the request")


def _check_zip(path: Path, url: str, is_intact: bool) -> None:
    """Check that a file is a zip, and its content unless the file is known to be what the provider has."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = None if is_intact else archive.testzip()
    except DAMAGE_ERRORS:
        raise TransientError(f"{url} is damaged or not a zip file; the provider may have sent an error page") from None
    if damaged:
        raise TransientError(f"{url} is damaged: {damaged} inside it fails its checksum")
