"""The downloads of a source in the lake: what its loads were made from, for a machine that has no landing of its own.

Below the root of the lake, `_downloads/<source>/` has the bytes in `objects/<ab>/<sha256>` and each load, with the
lines of the index about its bytes, in `loads/<load_id>.json`; both are written once. `current.json` has the loads that
count, in their order, and is the only file that is replaced. A load is written after its bytes, and listed after
both, so a kill leaves nothing that is listed and not there.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog

from data_stack.errors import LakeUnavailableError, TerminalError
from data_stack.lake.lake import Lake, open_lake
from data_stack.lake.write import require_known_loads
from data_stack.ops import LoadState, Ops
from data_stack.settings import Settings
from dlt_pipeline.landing import LandedLoad, Landing

_ROOT = "_downloads"
_HASH = re.compile(r"[0-9a-f]{64}")
_LOAD_ID = re.compile(r"[\w-][\w.-]*")
_ENTRY = {"name", "request", "sha256", "size_bytes", "origin", "fetched_at_utc"}
_log = structlog.get_logger()


class Downloads:
    """The downloads of one source in the lake; `open_downloads` makes it from the settings.

    Args:
        lake: The lake.
        source_name: Name of the source.
    """

    def __init__(self, lake: Lake, source_name: str) -> None:
        self._lake = lake
        self._store = lake.store
        self._source_name = source_name
        self._folder = f"{_ROOT}/{source_name}"

    def list_loads(self) -> list[str]:
        """Identifiers of the loads that count, oldest first.

        Raises:
            TerminalError: The list is damaged.
            LakeUnavailableError: The lake does not answer.
        """
        return self._read_list()[0]

    def copy(self, landing: Landing, ops: Ops, take_over: bool = False) -> int:
        """Copy the bytes of the loads that are not in the lake yet; the caller holds the lock of the source.

        Without a load nothing changes, so the downloads of a source that was reset stay.

        Args:
            landing: The landing of this machine.
            ops: Says which loads count.
            take_over: Replace the list of another platform.

        Returns:
            How many downloads were copied.

        Raises:
            TerminalError: The lake has loads that the run records do not know.
            LakeUnavailableError: The lake does not answer, or what arrived there is damaged.
        """
        listed, seen = self._read_list()
        if not take_over:
            require_known_loads(self._lake, ops, self._source_name, listed)
        recorded = ops.query(
            "select load_id from loads where source = ? and state != ? order by rowid",
            [self._source_name, LoadState.SUPERSEDED],
        )
        current = [row["load_id"] for row in recorded]
        if not current or current == listed:
            return 0
        new = set(current).difference(listed)
        described = landing.describe_loads([load for load in landing.loads() if load.load_id in new])
        copied = sum(self._copy_load(landing, one) for one in described)
        if not self._store.swap(self._list_file, json.dumps({"loads": current}).encode(), seen):
            raise LakeUnavailableError(
                f"another process replaced {self._store.locate(self._list_file)} meanwhile; see that one platform "
                "writes the lake, and run `data-stack lake sync`"
            )
        return copied

    def restore(self, landing: Landing, load_ids: Collection[str]) -> None:
        """Complete loads of the landing from the lake; what the lake does not have either is left out.

        Args:
            landing: The landing of this machine; the caller holds the lock of the source.
            load_ids: The loads.

        Raises:
            TerminalError: A load or a download in the lake is damaged; it is not used.
            LakeUnavailableError: The lake does not answer.
        """
        found = []
        for load_id in (load_id for load_id in self.list_loads() if load_id in load_ids):
            described = self._read_load(load_id)
            if described and all(
                self._fetch(landing, sha256) for sha256 in landing.missing(described["load"]["sha256"])
            ):
                found.append(described)
        landing.restore(found)

    @property
    def _list_file(self) -> str:
        return f"{self._folder}/current.json"

    def _load_file(self, load_id: str) -> str:
        return f"{self._folder}/loads/{load_id}.json"

    def _object_file(self, sha256: str) -> str:
        return f"{self._folder}/objects/{sha256[:2]}/{sha256}"

    def _read_list(self) -> tuple[list[str], str | None]:
        found = self._store.read(self._list_file)
        if found is None:
            return [], None
        try:
            loads = [str(load_id) for load_id in json.loads(found[0])["loads"]]
        except (ValueError, KeyError, TypeError):
            loads = [""]
        if not all(_LOAD_ID.fullmatch(load_id) for load_id in loads):
            raise TerminalError(
                f'{self._store.locate(self._list_file)} is damaged: it must list loads, as {{"loads": ["..."]}}; '
                "remove it, and `data-stack lake sync` writes it again from a machine that has the landing"
            )
        return loads, found[1]

    def _read_load(self, load_id: str) -> dict[str, Any] | None:
        path = self._load_file(load_id)
        found = self._store.read(path)
        if found is None:
            return None
        try:
            described: dict[str, Any] = json.loads(found[0])
            _check_load(described, load_id)
        except (ValueError, KeyError, TypeError):
            raise TerminalError(
                f"{self._store.locate(path)} is damaged: it must have a load and the lines of the index about its "
                f"bytes; restore it from a backup, or load {self._source_name} from the provider again"
            ) from None
        return described

    def _copy_load(self, landing: Landing, described: Mapping[str, Any]) -> int:
        """Copy the bytes of a load, then the load; without all bytes it is left out, and a replay says so."""
        load_id, hashes = described["load"]["load_id"], list(dict.fromkeys(described["load"]["sha256"]))
        absent = [sha256 for sha256 in hashes if self._store.find_size(self._object_file(sha256)) is None]
        gone = landing.missing(absent)
        if gone:
            _log.warning("downloads not copied", source=self._source_name, load_id=load_id, missing=len(gone))
            return 0
        for sha256 in absent:
            self._upload(landing, sha256)
        self._store.write(self._load_file(load_id), json.dumps(described).encode())
        return len(absent)

    def _upload(self, landing: Landing, sha256: str) -> None:
        """Send bytes and read them back, once: nobody looks at them again before they are needed."""
        path = self._object_file(sha256)
        self._store.upload(path, landing.locate(sha256))
        if _hash(self._store.stream(path) or ()) != sha256:
            self._store.delete([path])
            raise LakeUnavailableError(
                f"{self._store.locate(path)} arrived with other bytes than were sent, so it was removed; run again"
            )

    def _fetch(self, landing: Landing, sha256: str) -> bool:
        """Bring bytes into the landing; False if the lake does not have them."""
        path = self._object_file(sha256)
        pieces = self._store.stream(path)
        if pieces is None:
            return False
        if not landing.restore_bytes(sha256, pieces):
            raise TerminalError(
                f"{self._source_name}: {self._store.locate(path)} is damaged, as its SHA-256 is not its name, so it is "
                "not used; restore it from a backup, or load it from the provider again"
            )
        return True


def open_downloads(settings: Settings, source_name: str) -> Downloads | None:
    """The downloads of a source in the lake; None where they stay on this machine.

    Args:
        settings: `LAKE_URL` and `LAKE_DOWNLOADS`.
        source_name: Name of the source.
    """
    lake = open_lake(settings) if settings.lake_downloads else None
    return Downloads(lake, source_name) if lake else None


def copy_downloads(settings: Settings, ops: Ops, source_name: str, take_over: bool = False) -> int | None:
    """Copy what the loads of a source were made from into the lake.

    Args:
        settings: `LAKE_URL` and `LAKE_DOWNLOADS`.
        ops: The run records.
        source_name: Name of the source, whose lock the caller holds.
        take_over: See `Downloads.copy`.

    Returns:
        How many downloads were copied; None where they stay on this machine.

    Raises:
        TerminalError, LakeUnavailableError: See `Downloads.copy`.
    """
    downloads = open_downloads(settings, source_name)
    return downloads.copy(Landing(settings, source_name), ops, take_over) if downloads else None


def _check_load(described: Mapping[str, Any], load_id: str) -> None:
    """A load comes from storage that others write too, and its hashes become paths."""
    load, entries = described["load"], described["entries"]
    if set(load) != set(LandedLoad.__dataclass_fields__) or any(set(entry) != _ENTRY for entry in entries):
        raise ValueError("other fields")
    if load["load_id"] != load_id:
        raise ValueError("another load")
    for at_utc in (load["loaded_at_utc"], *(entry["fetched_at_utc"] for entry in entries)):
        datetime.fromisoformat(at_utc)
    if not all(_HASH.fullmatch(sha256) for sha256 in (*load["sha256"], *(entry["sha256"] for entry in entries))):
        raise ValueError("no hash")


def _hash(pieces: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()
