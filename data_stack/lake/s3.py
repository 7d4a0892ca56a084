"""A lake in a bucket of S3, or of a server that speaks its protocol."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from data_stack.errors import LakeUnavailableError, TerminalError
from data_stack.lake.stores import PIECE_BYTES, StoredFile
from data_stack.settings import Settings

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.fsspec import FsspecStore
    from obstore.store import S3Store

_MISSING = (
    "LAKE_URL names a bucket, and the package that reads buckets is not installed here; `make setup-lake` installs it"
)


class BucketStore:
    """A lake below a prefix of a bucket.

    Args:
        url: `s3://bucket/prefix`.
        settings: With the credentials and the endpoint.

    Raises:
        TerminalError: The packages of the group `lake` are not installed.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.root = url
        self._options = _describe_client(settings)
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._store = self._open(bucket, prefix)

    def _open(self, bucket: str, prefix: str) -> "S3Store":
        try:
            from obstore.store import S3Store
        except ImportError:
            raise TerminalError(_MISSING) from None
        _forget_empty_variables()
        return S3Store(bucket, prefix=prefix or None, **self._options)

    def read(self, path: str) -> tuple[bytes, str] | None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            try:
                found = obstore.get(self._store, path)
                return bytes(found.bytes()), str(found.meta["e_tag"])
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def write(self, path: str, content: bytes) -> None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            obstore.put(self._store, path, content)

    def upload(self, path: str, file: Path) -> None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            obstore.put(self._store, path, file)

    def find_size(self, path: str) -> int | None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            try:
                return int(obstore.head(self._store, path)["size"])
            except FileNotFoundError:
                # an answer to this request has no text, so it cannot say that the bucket is missing
                return None

    def stream(self, path: str) -> Iterator[bytes] | None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            try:
                found = obstore.get(self._store, path)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None
        return self._read_pieces(found)

    def _read_pieces(self, found: "GetResult") -> Iterator[bytes]:
        with self._explain():
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    def swap(self, path: str, content: bytes, seen: str | None) -> bool:
        """See `LakeStore`; a rename is not atomic in a bucket, a write under a condition is."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._explain():
            try:
                obstore.put(self._store, path, content, mode={"e_tag": seen} if seen else "create")
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            for found in (one for page in obstore.list(self._store, prefix or None) for one in page):
                yield StoredFile(found["path"], found["size"], found["last_modified"])

    def delete(self, paths: Iterable[str]) -> None:
        """See `LakeStore`."""
        import obstore

        with self._explain():
            obstore.delete(self._store, list(paths))

    def locate(self, path: str) -> str:
        """See `LakeStore`."""
        return f"{self.root}/{path}"

    def connect(self, db: duckdb.DuckDBPyConnection) -> None:
        """See `LakeStore`; without an extension of DuckDB, whose wheels trail it."""
        db.register_filesystem(_make_filesystem(self._options))

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Replace errors of the client, which quote answers of the server, by what to do."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError):
            raise TerminalError(
                f"the lake at {self.root} refuses access; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what "
                "their owner may do with the bucket: list, read, write and delete"
            ) from None
        except FileNotFoundError:
            raise TerminalError(
                f"the bucket of {self.root} does not exist; create it, or correct LAKE_URL or AWS_ENDPOINT_URL"
            ) from None
        except BaseError as error:
            raise LakeUnavailableError(
                f"the lake at {self.root} does not answer as it should ({type(error).__name__}); check "
                "AWS_ENDPOINT_URL and the network, and run again"
            ) from None


def _make_filesystem(options: dict[str, Any]) -> "FsspecStore":
    """A file system of the bucket for DuckDB, which asks nine times about a file that it opens."""
    from obstore.fsspec import FsspecStore

    class ImmutableFiles(FsspecStore):
        async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
            # files of a lake are never changed
            if path not in known:
                known[path] = await super()._info(path, **kwargs)
            return known[path]

    known: dict[str, dict[str, Any]] = {}
    return ImmutableFiles("s3", **options)


def _describe_client(settings: Settings) -> dict[str, Any]:
    """What the client is told; without a key it looks for one itself, for example that of the machine's role."""
    secrets = {
        "access_key_id": settings.aws_access_key_id,
        "secret_access_key": settings.aws_secret_access_key,
        "session_token": settings.aws_session_token,
    }
    options: dict[str, Any] = {name: value.get_secret_value() for name, value in secrets.items() if value}
    if settings.aws_region:
        options["region"] = settings.aws_region
    if settings.aws_endpoint_url:
        is_plain = settings.aws_endpoint_url.startswith("http://")
        # names of buckets are no names of hosts there
        options |= {"endpoint": settings.aws_endpoint_url, "virtual_hosted_style_request": False}
        options["client_options"] = {"allow_http": is_plain}
    options["retry_config"] = {"max_retries": settings.http_attempts - 1}
    return options


def _forget_empty_variables() -> None:
    """An empty value counts as unset; the client would take it as a key."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]
