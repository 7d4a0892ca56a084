"""A loopback HTTP server that answers like the real providers: the bucket at `/tripdata`, the API at `/v1/archive`.

The listing has the format of Amazon S3's ListObjectsV2 and ListObjects (API of 2006-03-01).
"""

import hashlib
import json
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from data_stack.errors import TerminalError
from dlt_pipeline.http import ORIGIN_HEADER
from dlt_pipeline.sample.spec import read_spec
from dlt_pipeline.sample.weather import SampleWeather, WeatherAnswerer

HOST = "127.0.0.1"
SAMPLE_ORIGIN = "sample"
BUCKET = "tripdata"
PAGE_SIZE = 1000

_XML = "application/xml"
_JSON = "application/json; charset=utf-8"
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Response:
    """An HTTP answer; if the body is a path, the file is streamed."""

    status: int
    body: bytes | Path
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the complete body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.stat().st_size


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
        return cls(Response(200, b'{"latitude": 40.7, "hourly": {"time": ["2024-', _JSON))

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


# -- the bucket -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Object:
    path: Path
    size: int
    modified: float
    etag: str


class _Bucket:
    """The files of a folder as objects; listed again for each request, and hashed once per version."""

    def __init__(self, folder: Path, page_size: int) -> None:
        self.folder = folder
        self.page_size = page_size
        self._etags: dict[tuple[Path, int, int], str] = {}

    def find(self, key: str) -> _Object | None:
        path = self.folder / key
        if not key or key.startswith(".") or path.name != key or not path.is_file():
            return None
        stat = path.stat()
        version = (path, stat.st_size, stat.st_mtime_ns)
        if version not in self._etags:
            with path.open("rb") as content:
                self._etags[version] = hashlib.file_digest(content, "md5").hexdigest()
        return _Object(path, stat.st_size, stat.st_mtime, f'"{self._etags[version]}"')

    def get(self, key: str) -> Response:
        found = self.find(key)
        if found is None:
            details = f"<Key>{escape(key)}</Key>"
            return _make_s3_error(404, "NoSuchKey", "The specified key does not exist.", details)
        headers = {"ETag": found.etag, "Last-Modified": formatdate(found.modified, usegmt=True)}
        return Response(200, found.path, "application/zip", headers)

    def list(self, query: Mapping[str, str]) -> Response:
        is_v2 = query.get("list-type") == "2"
        token = query.get("continuation-token", "")
        after = (token or query.get("start-after", "")) if is_v2 else query.get("marker", "")
        size = self._parse_page_size(query)
        if size is None:
            return _make_s3_error(
                400, "InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647"
            )
        prefix = query.get("prefix", "")
        names = sorted((path.name for path in self.folder.iterdir()), key=lambda name: name.encode())
        keys = [key for key in names if key.startswith(prefix) and key.encode() > after.encode()]
        objects = [(key, found) for key in keys if (found := self.find(key))]
        page, is_truncated = objects[:size], 0 < size < len(objects)
        fields = {"Name": BUCKET, "Prefix": prefix, "MaxKeys": str(size), "IsTruncated": str(is_truncated).lower()}
        if is_v2:
            fields |= {"KeyCount": str(len(page)), **({"ContinuationToken": token} if token else {})}
            fields |= {"NextContinuationToken": page[-1][0]} if is_truncated else {}
        else:
            fields |= {"Marker": after}
        return Response(200, _format_listing(fields, page, query.get("encoding-type") == "url"), _XML)

    def _parse_page_size(self, query: Mapping[str, str]) -> int | None:
        wanted = query.get("max-keys", str(self.page_size))
        return min(int(wanted), self.page_size) if wanted.isascii() and wanted.isdigit() else None


def _format_listing(fields: Mapping[str, str], page: list[tuple[str, _Object]], is_quoted: bool) -> bytes:
    head = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    head += "<EncodingType>url</EncodingType>" if is_quoted else ""
    contents = "".join(_format_contents(quote(key) if is_quoted else key, found) for key, found in page)
    body = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{head}{contents}</ListBucketResult>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


def _format_contents(key: str, found: _Object) -> str:
    modified = datetime.fromtimestamp(found.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{modified}</LastModified><ETag>{escape(found.etag)}</ETag>"
        f"<Size>{found.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _make_s3_error(status: int, code: str, message: str, details: str = "") -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{details}<RequestId>SAMPLE</RequestId></Error>"
    return Response(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(), _XML)


def _make_json_response(status: int, body: dict[str, Any]) -> Response:
    return Response(status, json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), _JSON)


# -- the server -----------------------------------------------------------------------------------------------------


class SampleProvider:
    """Both providers on 127.0.0.1; a context manager that serves while its block runs.

    Args:
        bike_dir: Folder of zips, which is served as the bucket.
        weather: Answers `/v1/archive`.
        origin: Value of the header `X-Data-Stack-Origin` of every answer; None sends none, so that a folder of real
            files counts as live.
        port: Port to listen on; 0 chooses a free one.
        page_size: Maximum number of keys per page of the listing.
        faults: Called before every answer to decide what goes wrong; None: nothing goes wrong.

    Attributes:
        requests: Every request that arrived, in order.
        faults: Can be changed while it serves.
        environment: Environment variables with which every source reads from this provider.

    Raises:
        TerminalError: The folder is missing, or the port is taken.
    """

    def __init__(
        self,
        bike_dir: Path,
        weather: WeatherAnswerer,
        *,
        origin: str | None = SAMPLE_ORIGIN,
        port: int = 0,
        page_size: int = PAGE_SIZE,
        faults: FaultHook | None = None,
    ) -> None:
        if not bike_dir.is_dir():
            raise TerminalError(f"{bike_dir} is not a folder; name the folder with the trip files")
        self.origin = origin
        self.faults = faults
        self.requests: list[Request] = []
        self._bucket = _Bucket(bike_dir, page_size)
        self._weather = weather
        self._attempts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._server = _Server((HOST, port), self)
        except OSError as error:
            raise TerminalError(f"cannot listen on {HOST}:{port} ({error.strerror}); choose another port") from error
        self.environment = {"BIKE_BASE_URL": self.bike_base_url, "WEATHER_BASE_URL": self.weather_base_url}

    @classmethod
    def of_sample(cls, folder: Path, *, port: int = 0, faults: FaultHook | None = None) -> "SampleProvider":
        """The provider of a generated sample, with that sample's weather.

        Args:
            folder: What `generate` wrote.
            port: Port to listen on; 0 chooses a free one.
            faults: See the class.

        Raises:
            TerminalError: The folder contains no sample of this version.
        """
        provider = cls(folder / BUCKET, SampleWeather(read_spec(folder).seed), port=port, faults=faults)
        provider.environment |= {"BIKE_SYSTEM": "jc", "TRANSACTIONS_PATH": str(folder.resolve() / "exports")}
        return provider

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def bike_base_url(self) -> str:
        """Value for `BIKE_BASE_URL`."""
        return f"http://{HOST}:{self.port}/{BUCKET}"

    @property
    def weather_base_url(self) -> str:
        """Value for `WEATHER_BASE_URL`."""
        return f"http://{HOST}:{self.port}"

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
        if path in (f"/{BUCKET}", f"/{BUCKET}/"):
            return self._bucket.list(query)
        if path.startswith(f"/{BUCKET}/"):
            return self._bucket.get(path.removeprefix(f"/{BUCKET}/"))
        if path == "/v1/archive":
            return _make_json_response(*self._weather.answer(query))
        return _make_json_response(404, {"error": True, "reason": "Not Found"})


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
