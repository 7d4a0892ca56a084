"""Finds the rows of a JSON document and writes them as flat lines, which DuckDB reads with types that we know.

DuckDB's own detection turns texts into times, which loses their offsets, and reads no list inside a document.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_stack.errors import TerminalError

_DOCUMENT_BYTES_MAX = 512 << 20


@dataclass
class Document:
    """The rows of a JSON file.

    Attributes:
        rows_file: One flat object per line; lists and deeper parts as JSON text.
        format: json or geojson.
        details: `path` of the rows in the document, `layout`, and `bounding_box` of a GeoJSON.
        columns: DuckDB type by name of the column, in the order of their first row.
        rejected_lines: Lines that are no JSON object.
    """

    rows_file: Path
    format: str = "json"
    details: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    rejected_lines: int = 0


def convert_json(path: Path, rows_file: Path, shown: str) -> Document:
    """Write the rows of a JSON file as flat lines.

    Args:
        path: An array, lines of objects, a GeoJSON, or a document with a list of objects somewhere.
        rows_file: Where the lines go.
        shown: The file's name in messages.

    Returns:
        What was found.

    Raises:
        TerminalError: It is no JSON, too large for one document, or contains no objects.
    """
    document = Document(rows_file)
    if _has_lines(path):
        rows: Iterable[Any] = _read_lines(path, document)
        document.details = {"layout": "lines"}
    else:
        rows = _find_rows(_load(path, shown), document)
    _write_rows(rows, document)
    if not document.columns:
        raise TerminalError(
            f"{shown} contains no objects with fields; give a JSON file with a list of objects, one object per line, or"
            " a GeoJSON with features"
        )
    return document


def _has_lines(path: Path) -> bool:
    """Whether the first line is a complete object and a second one follows."""
    with path.open("rb") as file:
        first, second = (_read_line(file) for _ in range(2))
    try:
        return isinstance(json.loads(first), dict) and bool(second)
    except ValueError:
        return False


def _read_line(file: Any) -> bytes:
    """The next line that is not blank; empty at the end of the file."""
    return next((line for line in file if line.strip()), b"").removeprefix(b"\xef\xbb\xbf")


def _read_lines(path: Path, document: Document) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                row = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except ValueError:
                row = None
            if isinstance(row, dict):
                yield row
            else:
                document.rejected_lines += 1


def _load(path: Path, shown: str) -> Any:
    size = path.stat().st_size
    if size > _DOCUMENT_BYTES_MAX:
        raise TerminalError(
            f"{shown} is one JSON document of {size >> 20} MB, which is too large to be read at once (limit"
            f" {_DOCUMENT_BYTES_MAX >> 20} MB); profile a part of it, or write one object per line"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # the message can quote the document
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise TerminalError(
            f"{shown} cannot be read as json{place} ({type(error).__name__}); check that it is complete"
        ) from None


def _find_rows(content: Any, document: Document) -> Iterable[Any]:
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        return _read_features(content.get("features") or [], document)
    found = max(_list_objects(content, ()), key=lambda item: len(item[1]), default=None)
    if found is not None:
        document.details = {"layout": "list", "path": ".".join(found[0]) or "(the document)"}
        return found[1]
    columns = max(_list_columns(content, ()), key=lambda item: len(item[1]), default=None)
    if columns is not None:
        document.details = {"layout": "columns", "path": ".".join(columns[0]) or "(the document)"}
        names = list(columns[1])
        return (dict(zip(names, values, strict=True)) for values in zip(*columns[1].values(), strict=True))
    document.details = {"layout": "object", "path": "(the document)"}
    return [content] if isinstance(content, dict) else []


def _list_objects(content: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Every list of objects with its path; lists inside a row are not searched."""
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        yield path, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _list_objects(value, (*path, name))


def _list_columns(content: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, list[Any]]]]:
    """Every object of lists of equal length with its path, as `{"hourly": {"time": [...], "rain": [...]}}`."""
    if not isinstance(content, dict):
        return
    lists = {name: value for name, value in content.items() if isinstance(value, list)}
    lengths = {len(value) for value in lists.values()}
    if len(lengths) == 1 and lengths != {0}:
        yield path, lists
    for name, value in content.items():
        yield from _list_columns(value, (*path, name))


def _read_features(features: list[Any], document: Document) -> list[dict[str, Any]]:
    """The properties of each feature and the type of its geometry; the box is of all geometries."""
    document.format = "geojson"
    points = [point for feature in features for point in _list_points(feature.get("geometry") or {})]
    document.details = {"layout": "features", "path": "features"}
    if points:
        longitudes, latitudes = [point[0] for point in points], [point[1] for point in points]
        document.details["bounding_box"] = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return [
        (feature.get("properties") or {}) | {"geometry_type": (feature.get("geometry") or {}).get("type")}
        for feature in features
    ]


def _list_points(geometry: Any) -> Iterator[list[float]]:
    parts = geometry.get("geometries") if isinstance(geometry, dict) else geometry
    if isinstance(geometry, dict) and not parts:
        parts = geometry.get("coordinates") or []
    if isinstance(parts, list) and len(parts) > 1 and isinstance(parts[0], int | float):
        yield parts
    elif isinstance(parts, list):
        for part in parts:
            yield from _list_points(part)


def _write_rows(rows: Iterable[Any], document: Document) -> None:
    with document.rows_file.open("w", encoding="utf-8") as file:
        for row in rows:
            flat = dict(_flatten(row, ""))
            for name, value in flat.items():
                _widen_type(document.columns, name, value)
            # a surrogate without its partner cannot be written as UTF-8, so everything beyond ASCII is escaped
            file.write(json.dumps(flat) + "\n")
    document.columns = {name: kind or "VARCHAR" for name, kind in document.columns.items()}


def _flatten(value: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, dict) and part:
            yield from _flatten(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(part) if isinstance(part, list | dict) else part


def _widen_type(columns: dict[str, str], name: str, value: Any) -> None:
    """Extend the type of a column to a value: numbers stay numbers, anything mixed becomes text."""
    before = columns.setdefault(name, "")
    if value is None:
        return
    kind = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}.get(type(value), "VARCHAR")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        kind = "VARCHAR"
    if before in ("", kind):
        columns[name] = kind
    elif {before, kind} == {"BIGINT", "DOUBLE"}:
        columns[name] = "DOUBLE"
    else:
        columns[name] = "VARCHAR"
