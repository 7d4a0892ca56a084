"""A folder as a bucket: listings, pages, objects and their ETags."""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest
import requests

from data_stack.errors import TerminalError
from dlt_pipeline.sample.bucket import Bucket
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.source import Response, SampleSource
from dlt_pipeline.sample.spec import SampleSpec

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
KEYS = ["2019-a.zip", "JC-201708 b & c.zip", "JC-202401.zip", "JC-202402.zip", "JC-202403.zip"]


class FilesSample(SampleSource):
    """A source with a bucket."""

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.bucket = Bucket(folder, "many-files", page_size=2)

    @classmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """Nothing is generated."""

    @classmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        return cls(folder)

    @classmethod
    def of_stored(cls, path: Path) -> Self:
        return cls(path)

    def answer(self, path: str, query: Mapping[str, str]) -> Response:
        return self.bucket.answer(path, query)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    for number, key in enumerate(KEYS):
        (tmp_path / key).write_bytes(key.encode() * (number + 1))
    (tmp_path / ".hidden").write_text("not an object")
    return tmp_path


@pytest.fixture
def bucket_url(bucket: Path) -> Iterator[str]:
    with SampleProvider([FilesSample(bucket)]) as running:
        yield running.get_url("files")


def get(url: str, **query: str) -> requests.Response:
    return requests.get(url, params=query, timeout=5)


def page(response: requests.Response) -> dict[str, list[str]]:
    """Values by tag of a listing."""
    assert response.status_code == 200 and response.headers["Content-Type"] == "application/xml"
    values: dict[str, list[str]] = {}
    for element in ET.fromstring(response.content).iter():
        assert element.tag.startswith(NAMESPACE)
        values.setdefault(element.tag.removeprefix(NAMESPACE), []).append(element.text or "")
    return values


def test_listing_v2_pages_through_every_key(bucket_url: str) -> None:
    keys: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        values = page(get(bucket_url, **{"list-type": "2", "prefix": "", **token}))
        keys += values["Key"]
        token = {"continuation-token": values.get("NextContinuationToken", [""])[0]}
    assert keys == KEYS
    assert values["IsTruncated"] == ["false"] and "NextContinuationToken" not in values
    assert values["KeyCount"] == ["1"] and values["Name"] == ["many-files"]


def test_listing_v1_goes_on_after_the_marker(bucket_url: str) -> None:
    first = page(get(f"{bucket_url}/"))
    second = page(get(f"{bucket_url}/", marker=first["Key"][-1]))
    assert first["Key"] == KEYS[:2] and first["IsTruncated"] == ["true"]
    assert second["Key"] == KEYS[2:4]
    assert "KeyCount" not in first


def test_listing_names_size_etag_and_time(bucket_url: str, bucket: Path) -> None:
    values = page(get(bucket_url, **{"list-type": "2", "prefix": "JC-2017"}))
    content = (bucket / KEYS[1]).read_bytes()
    assert values["Key"] == [KEYS[1]]
    assert values["Size"] == [str(len(content))]
    assert values["ETag"] == [f'"{hashlib.md5(content).hexdigest()}"']
    assert values["LastModified"][0].endswith(".000Z")


def test_listing_with_other_parameters(bucket_url: str) -> None:
    quoted = page(get(bucket_url, **{"list-type": "2", "encoding-type": "url", "prefix": "JC-2017"}))
    assert quoted["Key"] == ["JC-201708%20b%20%26%20c.zip"]
    one = page(get(bucket_url, **{"list-type": "2", "max-keys": "1", "start-after": "JC-202401.zip"}))
    assert one["Key"] == ["JC-202402.zip"]
    assert get(bucket_url, **{"list-type": "2", "max-keys": "x"}).status_code == 400
    assert "Key" not in page(get(bucket_url, prefix="nothing"))
    full = page(get(bucket_url, **{"list-type": "2", "start-after": "JC-202401.zip"}))
    assert full["Key"] == KEYS[3:] and full["IsTruncated"] == ["false"]


def test_objects_carry_length_etag_time_and_type(bucket_url: str, bucket: Path) -> None:
    url = f"{bucket_url}/JC-201708%20b%20%26%20c.zip"
    content = (bucket / KEYS[1]).read_bytes()
    for response in (get(url), requests.head(url, timeout=5)):
        assert response.status_code == 200
        assert response.headers["Content-Length"] == str(len(content))
        assert response.headers["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
        assert response.headers["Last-Modified"].endswith("GMT")
        assert response.headers["Content-Type"] == "application/zip"
    assert get(url).content == content
    assert requests.head(url, timeout=5).content == b""


def test_a_changed_file_gets_another_etag(bucket_url: str, bucket: Path) -> None:
    url = f"{bucket_url}/{KEYS[0]}"
    before = get(url).headers["ETag"]
    (bucket / KEYS[0]).write_bytes(b"corrected")
    assert get(url).headers["ETag"] == f'"{hashlib.md5(b"corrected").hexdigest()}"' != before


@pytest.mark.parametrize("key", ["JC-999999.zip", ".hidden", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a<b"])
def test_what_is_no_object_is_not_found(bucket_url: str, key: str) -> None:
    response = get(f"{bucket_url}/{key}")
    assert response.status_code == 404
    assert ET.fromstring(response.content).findtext("Code") == "NoSuchKey"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="is not a folder"):
        Bucket(tmp_path / "none", "many-files")
