"""A folder as a bucket: listings in the format of Amazon S3's ListObjectsV2 and ListObjects (API of 2006-03-01)."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from data_stack.errors import TerminalError
from dlt_pipeline.sample.source import Response

PAGE_SIZE = 1000

_XML_TYPE = "application/xml"


@dataclass(frozen=True)
class _Object:
    path: Path
    size: int
    modified: float
    etag: str


class Bucket:
    """The files of a folder as objects; listed again for each request, and hashed once per version.

    Args:
        folder: The files; those in folders below it, and hidden ones, are no objects.
        name: The bucket's name in its listings.
        page_size: Maximum number of keys per page of the listing.

    Raises:
        TerminalError: The folder is missing.
    """

    def __init__(self, folder: Path, name: str, page_size: int = PAGE_SIZE) -> None:
        if not folder.is_dir():
            raise TerminalError(f"{folder} is not a folder; name the folder with the files of the bucket")
        self.folder = folder
        self.name = name
        self.page_size = page_size
        self._etags: dict[tuple[Path, int, int], str] = {}

    def answer(self, path: str, query: Mapping[str, str]) -> Response:
        """The listing, or an object.

        Args:
            path: Decoded; empty or a slash for the listing, otherwise a slash and the key.
            query: Parameters of the listing, decoded.
        """
        return self._get(path[1:]) if path not in ("", "/") else self._list(query)

    def _find(self, key: str) -> _Object | None:
        path = self.folder / key
        if not key or key.startswith(".") or path.name != key or not path.is_file():
            return None
        stat = path.stat()
        version = (path, stat.st_size, stat.st_mtime_ns)
        if version not in self._etags:
            with path.open("rb") as content:
                self._etags[version] = hashlib.file_digest(content, "md5").hexdigest()
        return _Object(path, stat.st_size, stat.st_mtime, f'"{self._etags[version]}"')

    def _get(self, key: str) -> Response:
        found = self._find(key)
        if found is None:
            details = f"<Key>{escape(key)}</Key>"
            return _make_s3_error(404, "NoSuchKey", "The specified key does not exist.", details)
        headers = {"ETag": found.etag, "Last-Modified": formatdate(found.modified, usegmt=True)}
        return Response(200, found.path, mimetypes.guess_type(key)[0] or "binary/octet-stream", headers)

    def _list(self, query: Mapping[str, str]) -> Response:
        is_v2 = query.get("list-type") == "2"
        token = query.get("continuation-token", "")
        after = (token or query.get("start-after", "")) if is_v2 else query.get("marker", "")
        size = self._parse_page_size(query)
        if size is None:
            return _make_s3_error(
                400, "InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647"
            )
        prefix = query.get("prefix", "")
        objects = self._find_objects(prefix, after)
        page, is_truncated = objects[:size], 0 < size < len(objects)
        fields = {"Name": self.name, "Prefix": prefix, "MaxKeys": str(size), "IsTruncated": str(is_truncated).lower()}
        if is_v2:
            fields |= {"KeyCount": str(len(page)), **({"ContinuationToken": token} if token else {})}
            fields |= {"NextContinuationToken": page[-1][0]} if is_truncated else {}
        else:
            fields |= {"Marker": after}
        return Response(200, _format_listing(fields, page, query.get("encoding-type") == "url"), _XML_TYPE)

    def _find_objects(self, prefix: str, after: str) -> list[tuple[str, _Object]]:
        names = sorted((path.name for path in self.folder.iterdir()), key=lambda name: name.encode())
        keys = [key for key in names if key.startswith(prefix) and key.encode() > after.encode()]
        return [(key, found) for key in keys if (found := self._find(key))]

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
    return Response(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(), _XML_TYPE)
