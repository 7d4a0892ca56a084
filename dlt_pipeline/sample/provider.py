"""A loopback HTTP server that answers like the real providers, each source below the URL prefix of its name."""

import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, unquote, urlsplit

from data_stack.errors import TerminalError
from data_stack.registry import source_names
from dlt_pipeline.http import ORIGIN_HEADER
from dlt_pipeline.sample.source import JSON_TYPE, Response, SampleSource, find_sample, make_json_response
from dlt_pipeline.sample.spec import read_spec

HOST = "127.0.0.1"
SAMPLE_ORIGIN = "sample"

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        response: Sent instead of the real answer.
        delay_seconds: Seconds to wait before anything is sent.
        cut_after_bytes: The connection closes after this many bytes of the body; Content-Length counts all of them.
    """

    response: Response | None = None
    delay_seconds: float = 0
    cut_after_bytes: int | None = None

    @classmethod
    def status(cls, status: int, headers: Mapping[str, str] | None = None) -> "Fault":
        """An error status with a short text, for example 429 with `{"Retry-After": "1"}`, or 500."""
        return cls(Response(status, f"status {status}".encode(), "text/plain", headers or {}))

    @classmethod
    def page(cls) -> "Fault":
        """An HTML page with status 200, as a portal or a proxy sends it."""
        return cls(Response(200, b"<!DOCTYPE html><html><body><h1>Maintenance</h1></body></html>", "text/html"))

    @classmethod
    def bad_json(cls) -> "Fault":
        """Half a JSON object with status 200."""
        return cls(Response(200, b'{"latitude": 40.7, "hourly": {"time": ["2024-', JSON_TYPE))

    @classmethod
    def slow(cls, seconds: float) -> "Fault":
        """The real answer, delayed."""
        return cls(delay_seconds=seconds)

    @classmethod
    def cut(cls, after_bytes: int) -> "Fault":
        """The real answer, truncated."""
        return cls(cut_after_bytes=after_bytes)


FaultHook = Callable[[str, Mapping[str, str], int], Fault | None]
"""Called with the decoded path, the query, and the number of requests with the same path and query, including this."""


@dataclass(frozen=True)
class Request:
    """A request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]


class SampleProvider:
    """The providers of the sources on 127.0.0.1; a context manager that serves while its block runs.

    Args:
        sources: What is served; a source that is not among them gets the answer 404.
        origin: Value of the header `X-Data-Stack-Origin` of every answer; None sends none, so that stored files of the
            real providers count as live.
        port: Port to listen on; 0 chooses a free one.
        faults: Called before every answer to decide what goes wrong; None: nothing goes wrong.

    Attributes:
        requests: Every request that arrived, in order.
        faults: Can be changed while it serves.
        environment: Environment variables with which every source of the registry asks this provider.

    Raises:
        TerminalError: The port is taken.
    """

    def __init__(
        self,
        sources: Iterable[SampleSource],
        *,
        origin: str | None = SAMPLE_ORIGIN,
        port: int = 0,
        faults: FaultHook | None = None,
    ) -> None:
        self.origin = origin
        self.faults = faults
        self.requests: list[Request] = []
        self._sources = {source.name: source for source in sources}
        self._attempts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._server = _Server((HOST, port), self)
        except OSError as error:
            raise TerminalError(f"cannot listen on {HOST}:{port} ({error.strerror}); choose another port") from error
        self.environment = self._list_environment()

    @classmethod
    def of_sample(cls, folder: Path, *, port: int = 0, faults: FaultHook | None = None) -> "SampleProvider":
        """The provider of a generated sample.

        Args:
            folder: What `generate` wrote.
            port: Port to listen on; 0 chooses a free one.
            faults: See the class.

        Raises:
            TerminalError: The folder contains no sample of this version.
        """
        spec = read_spec(folder)
        sources = [find_sample(name).of_sample(folder / name, spec) for name in source_names()]
        return cls(sources, port=port, faults=faults)

    @classmethod
    def of_stored(cls, paths: Mapping[str, Path], *, port: int = 0) -> "SampleProvider":
        """The provider of stored files, whose answers count as live.

        Args:
            paths: By source, the path of the files that its real provider sent.
            port: Port to listen on; 0 chooses a free one.

        Raises:
            TerminalError: A path has nothing that its source can serve.
        """
        sources = [find_sample(name).of_stored(path) for name, path in paths.items()]
        return cls(sources, origin=None, port=port)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def get_url(self, source_name: str) -> str:
        """The URL that stands for the real provider of a source.

        Args:
            source_name: A name in the registry.
        """
        return f"http://{HOST}:{self.port}/{source_name}"

    def _list_environment(self) -> dict[str, str]:
        """A source that is not served asks here too, and not its real provider."""
        samples = [find_sample(name) for name in source_names()]
        found = {sample.url_variable: self.get_url(sample.name) for sample in samples if sample.url_variable}
        for source in self._sources.values():
            found |= source.list_variables()
        return found

    def serve_forever(self) -> None:
        """Serve in this thread until it is interrupted, then close the port."""
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self._stopping.set()
            self._server.server_close()

    def __enter__(self) -> "SampleProvider":
        self._thread = threading.Thread(target=self.serve_forever, name="sample-provider", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Make `serve_forever` return, from another thread; delayed answers are sent at once."""
        self._stopping.set()
        self._server.shutdown()

    def answer(self, method: str, path: str, query: Mapping[str, str]) -> tuple[Response, int | None]:
        """The answer to a request, with its fault: a response, and the bytes after which its body is truncated.

        Args:
            method: GET or HEAD.
            path: Decoded.
            query: Decoded; values of the same name are joined by commas.
        """
        identity = (path, tuple(sorted(query.items())))
        with self._lock:
            self.requests.append(Request(method, path, query))
            self._attempts[identity] += 1
            attempt = self._attempts[identity]
        fault = self.faults(path, query, attempt) if self.faults else None
        if fault is None:
            return self.route(path, query), None
        # ends at once when the provider is closed
        self._stopping.wait(fault.delay_seconds)
        return fault.response or self.route(path, query), fault.cut_after_bytes

    def route(self, path: str, query: Mapping[str, str]) -> Response:
        """The real answer.

        Args:
            path: Decoded.
            query: Decoded.
        """
        name, slash, below = path.removeprefix("/").partition("/")
        source = self._sources.get(name)
        found = source.answer(slash + below, query) if source else None
        return found or make_json_response(404, {"error": True, "reason": "Not Found"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], provider: SampleProvider) -> None:
        self.provider = provider
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # without the parent's look-up of this machine's name in the DNS
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "data-stack-sample"
    server: _Server
    # seconds after which an idle connection is closed
    timeout = 30

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Requests are kept in `SampleProvider.requests`, not written to stderr."""

    def _serve(self, with_body: bool) -> None:
        url = urlsplit(self.path)
        query: dict[str, str] = {}
        for name, value in parse_qsl(url.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        response, cut = self.server.provider.answer(self.command, unquote(url.path), query)
        try:
            self._send(response, cut, with_body)
        except ConnectionError:
            # the client has closed the connection, for example after a time-out
            self.close_connection = True

    def _send(self, response: Response, cut: int | None, with_body: bool) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(response.size))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.server.provider.origin is not None:
            self.send_header(ORIGIN_HEADER, self.server.provider.origin)
        self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            self._send_body(response, response.size if cut is None else cut)

    def _send_body(self, response: Response, size: int) -> None:
        if isinstance(response.body, bytes):
            self.wfile.write(response.body[:size])
            return
        with response.body.open("rb") as content:
            while size > 0 and (chunk := content.read(min(size, _CHUNK_BYTES))):
                self.wfile.write(chunk)
                size -= len(chunk)
