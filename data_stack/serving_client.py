"""The HTTP API as functions, for the pages: typed questions and answers, and failures as messages."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from data_stack.api_messages import AgentAnswer, AgentEvent, AgentRequest, Problem
from data_stack.errors import (
    DataStackError,
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    TerminalError,
    TooManyCallsError,
    TransientError,
    UsageError,
)
from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult
from data_stack.settings import Settings

if TYPE_CHECKING:
    from requests import Response

ANSWER_SECONDS = 180
"""An agent may take minutes; the API has time limits of its own."""

_CONNECT_SECONDS = 5
_ERRORS: dict[int, type[DataStackError]] = {
    401: NotAuthenticatedError,
    403: NotAllowedError,
    404: NotFoundError,
    413: UsageError,
    422: UsageError,
    503: TransientError,
}
_METRICS = TypeAdapter(tuple[MetricInfo, ...])
_Answer = TypeVar("_Answer", bound=BaseModel)


class ServingClient:
    """Asks the API with a token.

    Args:
        url: Of the API.
        token: Made by `data-stack api token create`; None asks without one, which the API refuses.
    """

    def __init__(self, url: str, token: str | None) -> None:
        import requests

        self._url = url
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """A client of the API that the settings name.

        Args:
            settings: With API_BASE_URL or API_PORT, and API_TOKEN; without a token, an API on loopback is asked with
                the one that it keeps in the data folder.
        """
        return cls(settings.api_url, _find_token(settings))

    @property
    def key(self) -> tuple[str, str]:
        """What answers depend on beside the question: the API, and a hash of the token."""
        token = self._session.headers.get("Authorization", "")
        return self._url, hashlib.sha256(f"{token!r}".encode()).hexdigest()

    def list_metrics(self) -> tuple[MetricInfo, ...]:
        """All metrics.

        Raises:
            DataStackError: The API does not answer, or says why it cannot.
        """
        return _METRICS.validate_json(self._ask("GET", "/metrics").content)

    def query(self, query: MetricQuery) -> MetricResult:
        """Answer a question to the metrics.

        Args:
            query: The question.

        Raises:
            DataStackError: The API does not answer, or says why it cannot.
        """
        return _parse(MetricResult, self._ask("POST", "/metrics/query", query).content)

    def execute(self, request: AgentRequest) -> AgentAnswer:
        """Answer a prompt.

        Args:
            request: The prompt and the agent.

        Raises:
            DataStackError: The API does not answer, or says why it cannot.
        """
        return _parse(AgentAnswer, self._ask("POST", "/agents/execute", request).content)

    def stream(self, request: AgentRequest) -> Iterator[AgentEvent]:
        """Answer a prompt, and say meanwhile what happens.

        Args:
            request: The prompt and the agent.

        Yields:
            Steps, and the answer at the end.

        Raises:
            DataStackError: The API does not answer, says why it cannot, or ends before the answer.
        """
        import requests

        event = None
        with self._ask("POST", "/agents/stream", request, stream=True) as answer:
            try:
                for line in answer.iter_lines():
                    # lines of server-sent events; others keep the connection open
                    if line.startswith(b"data: "):
                        event = _parse(AgentEvent, line.removeprefix(b"data: "))
                        yield event
            except requests.RequestException as error:
                raise self._describe_silence(error) from None
        if event is None or event.answer is None:
            raise TransientError(f"the API at {self._url} ended before the answer; ask again")

    def _ask(self, method: str, path: str, body: BaseModel | None = None, stream: bool = False) -> "Response":
        import requests

        headers = {"Content-Type": "application/json"} if body else {}
        data = body.model_dump_json() if body else None
        timeouts = (_CONNECT_SECONDS, ANSWER_SECONDS)
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", data=data, headers=headers, timeout=timeouts, stream=stream
            )
        except requests.RequestException as error:
            raise self._describe_silence(error) from None
        if not answer.ok:
            raise self._describe_failure(answer)
        return answer

    def _describe_silence(self, error: Exception) -> TransientError:
        return TransientError(
            f"the API at {self._url} does not answer ({type(error).__name__}); `make api` starts it, and API_BASE_URL "
            "names another one"
        )

    def _describe_failure(self, answer: "Response") -> DataStackError:
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            return TerminalError(
                f"{self._url} answered {answer.status_code} and is no API of this platform; correct API_BASE_URL"
            )
        if problem.status == 429:
            return TooManyCallsError(problem.detail, int(answer.headers.get("Retry-After", "1")))
        remedy = "; set API_TOKEN, or start the API with the DATA_DIR of the pages" if problem.status == 401 else ""
        return _ERRORS.get(problem.status, TerminalError)(f"{problem.detail}{remedy}")


def _find_token(settings: Settings) -> str | None:
    if settings.api_token:
        return settings.api_token.get_secret_value()
    if settings.api_base_url:
        # another API, which must not get the token of this one
        return None
    try:
        return settings.pages_token_file.read_text(encoding="ascii", errors="ignore").strip()
    except OSError:
        return None


def _parse(kind: type[_Answer], content: bytes) -> _Answer:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise TerminalError(
            "the API answered in a form that this version does not know; run the same version of both"
        ) from None
