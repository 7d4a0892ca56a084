"""Opens what is profiled as one DuckDB relation: a file, an http(s) URL, a zip of files, or a published table."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import duckdb

from data_stack.duck import connect_duckdb
from data_stack.errors import TerminalError, TransientError, UsageError
from data_stack.settings import Settings
from data_stack.warehouse import connect_warehouse
from scaffold.profile.csv_format import CsvFormat, sniff_csv
from scaffold.profile.json_documents import convert_json

_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".geojson": "json",
}
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1
# sorting and hashing a sample must not take the memory of the programs beside it
_MEMORY_LIMIT = "1GB"


@dataclass
class Opened:
    """A relation that can be queried.

    Attributes:
        db: The connection.
        relation: The relation as SQL names it.
        origin: The file's name, the URL without its query, or the table.
        format: parquet, csv, json, geojson or table.
        files: Files of the same columns.
        details: How it was read; see `Profile.details`.
        rejected_lines: Lines that could not be read as rows.
        personal_columns: Columns that the publication marks as personal.
    """

    db: duckdb.DuckDBPyConnection
    relation: str
    origin: str
    format: str
    files: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    rejected_lines: int = 0
    personal_columns: frozenset[str] = frozenset()


@contextmanager
def open_file(origin: str, settings: Settings) -> Iterator[Opened]:
    """Open a file or URL.

    Args:
        origin: Path, or a URL that begins with http:// or https://.
        settings: Time-out and attempts of HTTP.

    Yields:
        The relation, valid inside the block; everything temporary is removed with it.

    Raises:
        TerminalError: The file is missing, empty, damaged, encrypted or of an unknown format.
        TransientError: The URL cannot be fetched now.
    """
    with TemporaryDirectory(prefix="data-stack-profile-") as name:
        folder = Path(name)
        is_url = origin.lower().startswith(("http://", "https://"))
        path = _download(origin, folder, settings) if is_url else Path(origin).expanduser()
        shown = urlsplit(origin)._replace(query="", fragment="").geturl().rsplit("@", 1)[-1] if is_url else path.name
        _require_content(path, shown)
        with connect_duckdb(folder / "profile.duckdb", memory_limit=_MEMORY_LIMIT) as db:
            members = _unzip(path, folder, shown) if _is_zip(path) else [path]
            yield _open_members(db, members, folder, shown)


@contextmanager
def open_table(table: str, settings: Settings) -> Iterator[Opened]:
    """Open a table of the published warehouse.

    Args:
        table: For example `core.fct_trips`.
        settings: Whose warehouse.

    Yields:
        The relation, valid inside the block.

    Raises:
        UsageError: The publication has no such table.
        TerminalError: Nothing has been published.
    """
    with connect_warehouse(settings.warehouse_file) as db:
        tables = db.execute(
            "select concat(schema_name, '.', table_name) from duckdb_tables() where database_name = 'warehouse'"
        ).fetchall()
        if (table,) not in tables:
            known = ", ".join(sorted(name for (name,) in tables if not name.startswith("ops.")))
            raise UsageError(f"the published warehouse has no table {table}; it has {known}")
        personal = db.execute("select column_name from ops.personal_columns where table_name = ?", [table]).fetchall()
        schema, name = table.split(".")
        yield Opened(
            db,
            f'warehouse."{schema}"."{name}"',
            table,
            "table",
            personal_columns=frozenset(column for (column,) in personal),
        )


def _download(url: str, folder: Path, settings: Settings) -> Path:
    """Fetch a URL into a file; the suffix comes from its path, or from the type that the answer has."""
    from dlt_pipeline.http import Http, check_status, translate_failures

    http = Http(settings)
    suffix = Path(urlsplit(url).path).suffix.lower()

    def fetch() -> Path:
        with translate_failures(url), http.session.get(url, stream=True, timeout=http.timeout) as response:
            check_status(response)
            kind = response.headers.get("Content-Type", "")
            path = folder / f"fetched{suffix if suffix in {*_FORMATS, '.zip'} else _choose_suffix(kind)}"
            with path.open("wb") as target:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    target.write(chunk)
            expected = response.headers.get("Content-Length")
            is_plain = "Content-Encoding" not in response.headers
            if expected and is_plain and path.stat().st_size != int(expected):
                raise TransientError(f"{url} was truncated: {path.stat().st_size} of {expected} bytes arrived")
            return path

    return http.retry(fetch)


def _choose_suffix(content_type: str) -> str:
    kinds = {"json": ".json", "csv": ".csv", "parquet": ".parquet", "zip": ".zip"}
    return next((suffix for kind, suffix in kinds.items() if kind in content_type), "")


def _require_content(path: Path, shown: str) -> None:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise TerminalError(f"{shown} {what}; give the path of a Parquet, CSV, JSON, GeoJSON or zip file")
    if path.stat().st_size == 0:
        raise TerminalError(f"{shown} is empty (0 bytes); fetch it again or give another file")


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or path.suffix.lower() == ".zip"


def _unzip(path: Path, folder: Path, shown: str) -> list[Path]:
    """Unpack the members that have a known format, under names of our own."""
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [member for member in archive.infolist() if _is_wanted(member)]
            if any(member.flag_bits & _ENCRYPTED for member in wanted):
                raise TerminalError(f"{shown} is protected by a password; unpack it yourself and profile its files")
            # the name of a member could lead out of the folder
            return [_extract(archive, member, folder, number) for number, member in enumerate(wanted)]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise TerminalError(f"{shown} is no complete zip file ({type(error).__name__}); fetch it again") from None


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    # macOS adds files of its own when it makes a zip
    name = Path(member.filename)
    is_junk = "__MACOSX" in name.parts or name.name.startswith(".")
    return not is_junk and name.suffix.lower() in _FORMATS and member.file_size > 0


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, number: int) -> Path:
    target = folder / f"member{number}{Path(member.filename).suffix.lower()}"
    with archive.open(member) as stream, target.open("wb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            file.write(chunk)
    return target


def _open_members(db: duckdb.DuckDBPyConnection, members: Sequence[Path], folder: Path, shown: str) -> Opened:
    formats = {_find_format(member, shown) for member in members}
    if len(formats) != 1:
        found = ", ".join(sorted(formats)) or "none"
        raise TerminalError(
            f"{shown} must contain files of one format out of Parquet, CSV, JSON and GeoJSON (found: {found});"
            " unpack it and profile one file"
        )
    opened = Opened(db, "sample", shown, formats.pop(), len(members))
    try:
        {"parquet": _open_parquet, "csv": _open_csv, "json": _open_json}[opened.format](opened, members, folder)
    except duckdb.Error as error:
        # the message can quote a row
        raise TerminalError(
            f"{shown} cannot be read as {opened.format} ({type(error).__name__}); check that it is complete and that"
            " its name has the right ending"
        ) from None
    return opened


def _find_format(path: Path, shown: str) -> str:
    """The format by its first bytes, otherwise by the ending of its name."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"PAR1"):
        return "parquet"
    known = _FORMATS.get(path.suffix.lower())
    if known:
        return known
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return "json"
    raise TerminalError(
        f"{shown} has an unknown format; profiled are .parquet, .csv, .tsv, .json, .jsonl, .geojson and .zip, so unpack"
        " or convert it, or give it the right ending"
    )


def _open_parquet(opened: Opened, members: Sequence[Path], folder: Path) -> None:
    _require_equal_columns(
        opened.origin,
        [
            [row[0] for row in opened.db.execute("describe from read_parquet(?)", [str(path)]).fetchall()]
            for path in members
        ],
    )
    opened.db.execute(f"create view sample as from read_parquet({_list_paths(members)})")


def _open_csv(opened: Opened, members: Sequence[Path], folder: Path) -> None:
    formats = [sniff_csv(path, opened.origin) for path in members]
    _require_equal_columns(opened.origin, [list(found.columns) for found in formats])
    for number, (path, found) in enumerate(zip(members, formats, strict=True)):
        reading = _format_csv_call(path, found)
        opened.db.execute(f"{'insert into sample' if number else 'create table sample as'} from {reading}")
    rejected = opened.db.execute("select count(distinct (file_id, scan_id, line)) from reject_errors").fetchone()
    opened.rejected_lines = rejected[0] if rejected else 0
    first = formats[0]
    opened.details = {"delimiter": first.delimiter, "has_header": first.has_header, "encoding": first.encoding}


def _format_csv_call(path: Path, found: CsvFormat) -> str:
    columns = ", ".join(f"{_quote(name)}: 'VARCHAR'" for name in found.columns)
    options = [
        f"columns = {{{columns}}}",
        f"delim = {_quote(found.delimiter)}",
        f"header = {str(found.has_header).lower()}",
        f"encoding = '{found.encoding}'",
        "auto_detect = false, quote = '\"', escape = '\"', store_rejects = true, rejects_limit = 0",
    ]
    return f"read_csv({_quote(str(path))}, {', '.join(options)})"


def _open_json(opened: Opened, members: Sequence[Path], folder: Path) -> None:
    documents = [
        convert_json(path, folder / f"rows{number}.ndjson", opened.origin) for number, path in enumerate(members)
    ]
    first = documents[0]
    columns: dict[str, str] = {}
    for document in documents:
        for name, kind in document.columns.items():
            columns[name] = kind if columns.get(name, kind) == kind else "VARCHAR"
    typed = ", ".join(f"{_quote(name)}: '{kind}'" for name, kind in columns.items())
    rows = _list_paths([document.rows_file for document in documents])
    opened.db.execute(
        f"create table sample as from read_json({rows}, format = 'newline_delimited', columns = {{{typed}}})"
    )
    opened.format = first.format
    opened.details = first.details
    opened.rejected_lines = sum(document.rejected_lines for document in documents)


def _require_equal_columns(shown: str, columns: Sequence[Sequence[str]]) -> None:
    for other in columns[1:]:
        if list(other) != list(columns[0]):
            differing = ", ".join(sorted(set(other) ^ set(columns[0]))) or "their order"
            raise TerminalError(
                f"the files of {shown} have different columns ({differing}); unpack it and profile one file, or compare"
                " two with --compare"
            )


def _list_paths(paths: Sequence[Path]) -> str:
    return f"[{', '.join(_quote(str(path)) for path in paths)}]"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
