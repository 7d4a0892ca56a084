"""Citi Bike trips: monthly zips of the provider's public bucket.

Formats seen in the bucket: 13 columns since 2021 (times in seconds, since mid-2024 in milliseconds) and 15 columns
before that, with two spellings of the header; one or several CSVs per zip; yearly zips that contain zips.
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from itertools import count
from typing import Literal
from urllib.parse import quote

import pyarrow as pa
from defusedxml import ElementTree
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import BaseStackSettings, BaseUrl, Settings
from data_stack.window import Window, next_month
from dlt_pipeline.ahead import fetch_ahead
from dlt_pipeline.bike_csv import read_member
from dlt_pipeline.http import Http, read_origin
from dlt_pipeline.landing import Answer, Landed, describe_get
from dlt_pipeline.reader import BatchReader, NotPublished, Plan, Planned, Provider
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import BOOLEAN, DATE, DOUBLE, INTEGER, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable
from dlt_pipeline.zips import open_members, translate_damage

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
            ("batch", TEXT),
            ("source_member", TEXT),
            ("source_line", INTEGER),
            ("month", DATE),
        ]
    ),
    key=("batch", "ride_id"),
)
FILES = RawTable(
    "files",
    pa.schema(
        [
            ("batch", TEXT),
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
    key=("batch",),
)
TABLES = (TRIPS, FILES, REJECTS, PROVIDER)

# since this month a file has the rides that ended in its month, not those that started in it
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
    """The object that contains one month.

    Attributes:
        month: Its first day.
        bucket_object: The object.
        is_yearly: Whether the object contains a year, of which only this month is read.
    """

    month: date
    bucket_object: BucketObject
    is_yearly: bool

    @property
    def batch(self) -> str:
        """Name under which its rows are replaced: the object's key, with the month if the object contains a year."""
        key = self.bucket_object.key
        return f"{key}#{self.month:%Y-%m}" if self.is_yearly else key

    def has_member(self, name: str) -> bool:
        """Whether a CSV inside the object belongs to the month."""
        if not self.is_yearly:
            return True
        months = [date(int(year), int(month), 1) for year, month in _MEMBER_MONTH.findall(name)]
        return self.month in months[-1:]


class BikeReader(BatchReader[MonthFile]):
    """Reads the months of a window from the bucket."""

    name = "bike"
    tables = TABLES
    settings_class = BikeSettings

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        super().__init__(settings, is_replay)
        self.bike = BikeSettings.load()
        self.http = Http(settings)
        self._origin: str | None = None

    def plan(self, window: Window | None) -> Plan[MonthFile]:
        """See `SourceReader.plan`; a window is required."""
        if window is None:
            raise TerminalError("bike: a window is required; pass --from and --to")
        loaded = set(self.query_raw("select batch, etag from raw.files"))
        planned, not_published = [], []
        for month in window.months():
            file = self._month_files.get(month)
            if file is None:
                not_published.append(self._describe_missing_month(month))
                continue
            is_loaded = (file.batch, file.bucket_object.etag) in loaded
            skip = "already loaded with this ETag" if is_loaded else None
            planned.append(Planned(file.batch, file.bucket_object.size, skip, file))
        return Plan(tuple(planned), not_published=tuple(not_published))

    def _describe_missing_month(self, month: date) -> NotPublished:
        """What the bucket lists instead of a month; one before all others will never be there, which is an error."""
        months = [f"{listed:%Y-%m}" for listed in self._month_files]
        listed = f"lists {min(months)} to {max(months)}" if months else "lists no month"
        reason = f"there is no file of {month:%Y-%m} for system {self.bike.system!r}; {self.bike.base_url} {listed}"
        if not months or month < min(self._month_files):
            raise TerminalError(f"bike: {reason}; choose other days with --from and --to")
        return NotPublished(Window.of_month(month), reason)

    def provider(self) -> Provider:
        """See `SourceReader.provider`; the origin is known once the bucket has been listed."""
        return Provider(self._origin, self.bike.system)

    def default_window(self) -> Window | None:
        """See `SourceReader.default_window`: the latest month that the bucket lists."""
        return Window.of_month(max(self._month_files)) if self._month_files else None

    def withdrawn(self) -> list[tuple[str, str]]:
        """See `SourceReader.withdrawn`: the bucket lists an earlier version again, which is loaded."""
        failed = self.failed_loads()
        if not failed:
            return []
        files = self.query_raw("select month, batch, etag, _dlt_load_id from raw.files")
        good = {(month, batch, etag) for month, batch, etag, load_id in files if load_id not in failed}
        withdrawn = []
        for month, batch, etag, load_id in files:
            listed = self._month_files.get(month)
            version = listed and (month, listed.batch, listed.bucket_object.etag)
            if load_id in failed and version in good and version != (month, batch, etag):
                withdrawn.append((load_id, batch))
        return withdrawn

    def read(self, items: list[MonthFile], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`."""
        self.landing.keep_answers()
        for file, landed in fetch_ahead(items, self._fetch_zip, progress):
            # in a replay the bucket is not listed
            self._origin = self._origin or landed.origin
            with translate_damage(f"bike: {file.batch}"):
                rows_read = self._read_file(file, landed, stage, progress)
            if not rows_read:
                raise TerminalError(
                    f"bike: {file.batch} contains no ride of {file.month:%Y-%m}; ask the provider for a complete file"
                )

    def describe(self, items: list[MonthFile], stage: Stage) -> None:
        """See `SourceReader.describe`."""
        for file in items:
            is_cut_by_end = _is_cut_by_end(stage, file)
            row = stage.describe_file(file.batch) | {
                "object_key": file.bucket_object.key,
                "month": file.month,
                "etag": file.bucket_object.etag,
                "size_bytes": file.bucket_object.size,
                "is_cut_by_end": is_cut_by_end,
            }
            stage.write_rows(FILES, [row])

    def _read_file(self, file: MonthFile, landed: Landed, stage: Stage, progress: Progress) -> int:
        folder = self.settings.stage_dir(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        rows_read = 0
        for member, stream in open_members(landed.path, folder, file.has_member):
            for part in read_member(stream, file.batch, member):
                months = pa.array([file.month] * part.trips.num_rows, DATE)
                stage.write_rows(TRIPS, part.trips.append_column("month", months))
                stage.write_rejects(part.rejects)
                rows_read = stage.count_read(file.batch, part.rows_read)
                progress(f"reading {member}", rows_read, None)
        return rows_read

    def _fetch_zip(self, file: MonthFile, progress: Progress) -> Landed:
        listed = file.bucket_object
        url = f"{self.bike.base_url}/{quote(listed.key)}"
        fetch = partial(
            self.landing.fetch,
            f"{listed.key} with ETag {listed.etag}",
            describe_get(url),
            lambda part: self.http.download_zip(url, part, listed.size, listed.etag, progress),
            is_immutable=True,
        )
        return self.http.retry(fetch)

    @cached_property
    def _month_files(self) -> dict[date, MonthFile]:
        """The file of every month that the bucket lists; a monthly file is preferred to a yearly one."""
        objects: list[BucketObject] = []
        token = ""
        for number in count(1):
            page, token = self.http.retry(partial(self._fetch_listing_page, number, token))
            objects += page
            if not token:
                break
        files: dict[date, MonthFile] = {}
        for bucket_object in sorted(objects, key=lambda listed: listed.last_modified):
            for file in find_month_files(bucket_object, self.bike.system):
                current = files.get(file.month)
                if current is None or current.is_yearly or not file.is_yearly:
                    files[file.month] = file
        return files

    def _fetch_listing_page(self, number: int, token: str) -> tuple[list[BucketObject], str]:
        """Objects of one page of the bucket's listing, and the token of the next page, empty after the last one."""
        params = {"list-type": "2", "prefix": "JC-" if self.bike.system == "jc" else "20"}
        params |= {"continuation-token": token} if token else {}
        answer = self.landing.ask(
            f"page {number} of the listing of {params['prefix']}",
            describe_get(self.bike.base_url, params),
            partial(self._send_listing_request, params),
        )
        self._origin = answer.origin
        return _parse_listing(answer.content, self.bike.base_url)

    def _send_listing_request(self, params: dict[str, str]) -> Answer:
        response = self.http.get(self.bike.base_url, params)
        _parse_listing(response.content, response.url)
        return Answer(response.content, read_origin(response))


def _parse_listing(content: bytes, url: str) -> tuple[list[BucketObject], str]:
    """Parse a page of an S3 bucket listing; the URL is named where it is none."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        root = None
    if root is None or not root.tag.endswith("ListBucketResult"):
        raise TransientError(f"{url} did not answer with a bucket listing; check BIKE_BASE_URL")
    space = root.tag.removesuffix("ListBucketResult")
    objects = [
        BucketObject(
            key=entry.findtext(f"{space}Key", ""),
            etag=entry.findtext(f"{space}ETag", "").strip('"'),
            size=int(entry.findtext(f"{space}Size", "0")),
            last_modified=entry.findtext(f"{space}LastModified", ""),
        )
        for entry in root.iter(f"{space}Contents")
    ]
    return objects, root.findtext(f"{space}NextContinuationToken", "")


def find_month_files(bucket_object: BucketObject, system: str) -> list[MonthFile]:
    """Find the months that an object of the bucket contains.

    Args:
        bucket_object: Any object of the listing.
        system: `jc` or `nyc`.

    Returns:
        One month, or all twelve of a yearly object; none if the object is no trip file of the system.
    """
    match = _OBJECT_KEY.match(bucket_object.key)
    if not match or (match["jc"] is not None) != (system == "jc"):
        return []
    year, month = int(match["year"]), match["month"]
    if month:
        return [MonthFile(date(year, int(month), 1), bucket_object, is_yearly=False)]
    return [MonthFile(date(year, number, 1), bucket_object, is_yearly=True) for number in range(1, 13)]


def _is_cut_by_end(stage: Stage, file: MonthFile) -> bool:
    """Whether the file has the rides that ended in its month: judged by its rides, otherwise by its month."""
    ((end_after, start_before),) = stage.query(
        "select count(*) filter (ended_at_local >= ?), count(*) filter (started_at_local < ?)"
        " from trips where batch = ?",
        [next_month(file.month), file.month, file.batch],
    )
    if end_after == start_before:
        return file.month >= _CUT_BY_END_SINCE
    return int(str(start_before)) > int(str(end_after))
