"""Citi Bike trips: monthly zips of the provider's public bucket.

Formats seen in the bucket: 13 columns (2021 on, whole seconds, milliseconds since mid-2024) and 15 columns before that,
with two spellings of the header; one or several CSVs a zip; yearly zips with zips inside.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pyarrow as pa
from defusedxml import ElementTree
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_stack.errors import TerminalError, TransientError
from data_stack.raw import raw_query
from data_stack.settings import BaseStackSettings, BaseUrl, Settings
from data_stack.window import Window, next_month
from dlt_pipeline.bike_csv import read_member
from dlt_pipeline.http import ORIGIN_HEADER, Http, Progress
from dlt_pipeline.source import Plan, Planned, Provider, Source
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import BOOLEAN, DATE, DOUBLE, INTEGER, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable
from dlt_pipeline.zips import explain_damage, open_members

TRIPS = RawTable(
    "trips",
    pa.schema(
        [
            ("ride_id", TEXT),
            ("rideable_type", TEXT),
            ("started_at_local", TIMESTAMP),
            ("ended_at_local", TIMESTAMP),
            ("start_station_id", TEXT),
            ("start_station_name", TEXT),
            ("end_station_id", TEXT),
            ("end_station_name", TEXT),
            ("start_latitude", DOUBLE),
            ("start_longitude", DOUBLE),
            ("end_latitude", DOUBLE),
            ("end_longitude", DOUBLE),
            ("member_casual", TEXT),
            ("source_file", TEXT),
            ("source_member", TEXT),
            ("source_line", INTEGER),
            ("month", DATE),
        ]
    ),
    key=("source_file", "ride_id"),
    # by month, not by file: the provider renames files when it mends them
    replaces=("month",),
)
FILES = RawTable(
    "files",
    pa.schema(
        [
            ("source_file", TEXT),
            ("object_key", TEXT),
            ("month", DATE),
            ("etag", TEXT),
            ("size_bytes", INTEGER),
            ("rows_read", INTEGER),
            ("rows_loaded", INTEGER),
            ("rows_rejected", INTEGER),
            ("rows_repeated", INTEGER),
            ("is_cut_by_end", BOOLEAN),
            ("loaded_at_utc", TIMESTAMP),
        ]
    ),
    key=("source_file",),
    replaces=("month",),
)
TABLES = (TRIPS, FILES, REJECTS, PROVIDER)

# from this month on the provider cuts its files by the end of the ride, not by its start
_CUT_BY_END_SINCE = date(2024, 6, 1)
_OBJECT_KEY = re.compile(r"^(?P<jc>JC-)?(?P<year>20\d\d)(?P<month>0[1-9]|1[0-2])?(?!\d|-\d{6}).*\.zip$")
_MEMBER_MONTH = re.compile(r"(?<!\d)(20\d\d)(0[1-9]|1[0-2])(?!\d)")


class BikeSettings(BaseStackSettings):
    """Settings of this source; variables begin with `BIKE_`."""

    model_config = SettingsConfigDict(env_prefix="BIKE_")

    base_url: BaseUrl = Field("https://s3.amazonaws.com/tripdata", description="Bucket that lists and holds the zips")
    system: Literal["jc", "nyc"] = Field("jc", description="jc: Jersey City and Hoboken; nyc: New York City")


@dataclass(frozen=True)
class BucketObject:
    """An object of the bucket listing."""

    key: str
    etag: str
    size: int
    last_modified: str


@dataclass(frozen=True)
class MonthFile:
    """The object that holds one month.

    Attributes:
        month: Its first day.
        found: The object.
        is_yearly: The object holds a year, of which only this month is read.
    """

    month: date
    found: BucketObject
    is_yearly: bool

    @property
    def source_file(self) -> str:
        """Name under which its rows are replaced: the object, and the month where the object holds a year."""
        return f"{self.found.key}#{self.month:%Y-%m}" if self.is_yearly else self.found.key

    def holds(self, member: str) -> bool:
        """Whether a CSV inside the object belongs to the month."""
        if not self.is_yearly:
            return True
        months = [date(int(year), int(month), 1) for year, month in _MEMBER_MONTH.findall(member)]
        return self.month in months[-1:]


class BikeSource(Source[MonthFile]):
    """Reads the months of a window from the bucket."""

    name = "bike"
    tables = TABLES

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.bike = BikeSettings.load()
        self.http = Http(settings)
        self._origin: str | None = None

    def plan(self, window: Window | None) -> Plan[MonthFile]:
        """See `Source.plan`; a window is required."""
        if window is None:
            raise TerminalError("bike: a window is needed; give --from and --to")
        files = [self._file_of(month) for month in window.months()]
        loaded = dict(raw_query(self.settings, self.name, "select source_file, etag from raw.files"))
        planned = tuple(
            Planned(
                what=file.source_file,
                size_bytes=file.found.size,
                skip="already loaded with this ETag" if loaded.get(file.source_file) == file.found.etag else None,
                item=file,
            )
            for file in files
        )
        return Plan(planned)

    def provider(self) -> Provider:
        """See `Source.provider`; the listing's answer tells the origin."""
        return Provider(self._origin, self.bike.system)

    def latest_month(self) -> date | None:
        """See `Source.latest_month`."""
        return max(self._months, default=None)

    def read(self, items: list[MonthFile], stage: Stage, progress: Progress) -> None:
        """See `Source.read`."""
        for file in items:
            with explain_damage(f"bike: {file.source_file}"):
                self._read_file(file, stage, progress)
            if not stage.rows_read(file.source_file):
                raise TerminalError(
                    f"bike: {file.source_file} holds no ride of {file.month:%Y-%m}; ask the provider for a whole file"
                )

    def describe(self, items: list[MonthFile], stage: Stage) -> None:
        """See `Source.describe`."""
        for file in items:
            row = stage.file_record(file.source_file) | {
                "object_key": file.found.key,
                "month": file.month,
                "etag": file.found.etag,
                "size_bytes": file.found.size,
                "is_cut_by_end": _is_cut_by_end(stage, file),
            }
            stage.write_rows(FILES, [row])

    def cleanup(self, items: list[MonthFile]) -> None:
        """See `Source.cleanup`; versions that were fetched and never loaded go too."""
        for path in self.settings.landing_dir(self.name).glob("*.zip"):
            path.unlink()

    def _read_file(self, file: MonthFile, stage: Stage, progress: Progress) -> None:
        path = self._fetch(file.found, progress)
        for member, stream in open_members(path, file.holds):
            for part in read_member(stream, file.source_file, member):
                months = pa.array([file.month] * part.trips.num_rows, DATE)
                stage.write(TRIPS, part.trips.append_column("month", months))
                stage.reject(part.rejects)
                stage.count_read(file.source_file, part.rows_read)
                progress(f"reading {member}", stage.rows_read(file.source_file), None)

    def _fetch(self, found: BucketObject, progress: Progress) -> Path:
        url = f"{self.bike.base_url}/{quote(found.key)}"
        return self.http.download_zip(url, self._landing_file(found), found.size, found.etag, progress)

    def _landing_file(self, found: BucketObject) -> Path:
        # the ETag is in the name: a version that changed is another file
        return self.settings.landing_dir(self.name) / f"{found.etag}-{found.key.rsplit('/', 1)[-1]}"

    def _file_of(self, month: date) -> MonthFile:
        if month in self._months:
            return self._months[month]
        listed = f"lists {min(self._months):%Y-%m} to {max(self._months):%Y-%m}" if self._months else "lists no month"
        raise TerminalError(
            f"bike: there is no file of {month:%Y-%m} for system {self.bike.system!r}; {self.bike.base_url} {listed}"
        )

    @cached_property
    def _months(self) -> dict[date, MonthFile]:
        """The file of every month that the bucket lists; a month's own file is preferred to its year's."""
        months: dict[date, MonthFile] = {}
        for found in sorted(self._list_objects(), key=lambda found: found.last_modified):
            for file in _files_in(found, self.bike.system):
                known = months.get(file.month)
                if known is None or known.is_yearly or not file.is_yearly:
                    months[file.month] = file
        return months

    def _list_objects(self) -> Iterator[BucketObject]:
        token: str | None = None
        while True:
            params = {"list-type": "2", "prefix": "JC-" if self.bike.system == "jc" else "20"}
            if token:
                params["continuation-token"] = token
            found, token = self.http.retry(partial(self._list_page, params))
            yield from found
            if token is None:
                return

    def _list_page(self, params: dict[str, str]) -> tuple[list[BucketObject], str | None]:
        response = self.http.get(self.bike.base_url, params)
        self._origin = response.headers.get(ORIGIN_HEADER, "live")
        return _parse_listing(response.content, response.url)


def _files_in(found: BucketObject, system: str) -> list[MonthFile]:
    """The months that an object of the wanted system holds: one, or twelve where it is a year's."""
    match = _OBJECT_KEY.match(found.key)
    if not match or (match["jc"] is not None) != (system == "jc"):
        return []
    year, month = int(match["year"]), match["month"]
    if month:
        return [MonthFile(date(year, int(month), 1), found, is_yearly=False)]
    return [MonthFile(date(year, number, 1), found, is_yearly=True) for number in range(1, 13)]


def _parse_listing(body: bytes, url: str) -> tuple[list[BucketObject], str | None]:
    """Objects of one page of an S3 bucket listing, and the token of the next page."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        root = None
    if root is None or not root.tag.endswith("ListBucketResult"):
        raise TransientError(f"{url} did not answer with a bucket listing; check BIKE_BASE_URL")
    space = root.tag.removesuffix("ListBucketResult")
    found = [
        BucketObject(
            key=entry.findtext(f"{space}Key", ""),
            etag=entry.findtext(f"{space}ETag", "").strip('"'),
            size=int(entry.findtext(f"{space}Size", "0")),
            last_modified=entry.findtext(f"{space}LastModified", ""),
        )
        for entry in root.iter(f"{space}Contents")
    ]
    return found, root.findtext(f"{space}NextContinuationToken")


def _is_cut_by_end(stage: Stage, file: MonthFile) -> bool:
    """Whether the provider cut the file by the end of the ride: what its rides show, else what is known of its time."""
    after = next_month(file.month)
    ((end_after, start_before),) = stage.query(
        "select count(*) filter (ended_at_local >= ?), count(*) filter (started_at_local < ?)"
        " from trips where source_file = ?",
        [after, file.month, file.source_file],
    )
    if end_after == start_before:
        return file.month >= _CUT_BY_END_SINCE
    return int(str(start_before)) > int(str(end_after))


SOURCE = BikeSource
SETTINGS = BikeSettings
