"""What the sample contains, and the function that writes it."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from data_stack.errors import TerminalError, UsageError
from data_stack.registry import source_names
from data_stack.window import Window

# increase it whenever the same spec gives other bytes
GENERATOR_VERSION = 3
MANIFEST = "manifest.json"
RIDES_PER_DAY_MIN = 20


@dataclass(frozen=True)
class SampleSpec:
    """Size and range of the sample; the same spec gives the same bytes.

    Args:
        seed: Any number that is not negative.
        first_month: First day of the first month.
        last_month: First day of the last month, included.
        rides_per_day: Mean over the year 2024; demand grows from month to month and follows the weather.

    Raises:
        UsageError: A value is not allowed; the message names it and the allowed values.
    """

    seed: int = 2024
    first_month: date = date(2024, 1, 1)
    last_month: date = date(2024, 12, 1)
    rides_per_day: int = 300

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"seed of the sample is {self.seed}; it must be 0 or more")
        if self.first_month.day != 1 or self.last_month.day != 1:
            raise UsageError(
                f"the sample's months are given by their first day, not {self.first_month} and {self.last_month}; "
                "use the first of each month"
            )
        if not date(2021, 2, 1) <= self.first_month <= self.last_month:
            raise UsageError(
                f"the sample cannot reach from {self.first_month} to {self.last_month}; "
                "the first month must be 2021-02 or later (the first with 13 columns), and the last month not before it"
            )
        if self.rides_per_day < RIDES_PER_DAY_MIN:
            raise UsageError(
                f"rides_per_day is {self.rides_per_day}; it must be {RIDES_PER_DAY_MIN} or more, "
                "or more than 1 % of a file's rows are defective"
            )

    @property
    def window(self) -> Window:
        """The days from the first of the first month to the last of the last month."""
        return Window(self.first_month, Window.of_month(self.last_month).end)

    @property
    def months(self) -> list[date]:
        """First days of all its months."""
        return self.window.months()

    def as_json(self) -> dict[str, Any]:
        """The spec as it is in the manifest."""
        return {name: str(value) if isinstance(value, date) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SampleSpec":
        """The spec of a manifest.

        Args:
            values: What `as_json` returned.
        """
        days = {name: date.fromisoformat(values[name]) for name in ("first_month", "last_month")}
        return cls(**{**values, **days})


def generate(folder: Path, spec: SampleSpec) -> Path:
    """Write the sample below `folder`: one folder per source that has files, and `manifest.json`.

    A folder that already contains this sample is not changed; one of another spec or of other sources is replaced
    completely.

    Args:
        folder: Where the sample is written; its parents are created.
        spec: What to write.

    Returns:
        The folder.

    Raises:
        TerminalError: The folder contains other files than a sample.
    """
    if _is_current(folder, spec):
        return folder
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise TerminalError(f"{folder} contains files that are not a sample; name another folder, or empty this one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_sample(building / "new", spec)
        if folder.exists():
            folder.rename(building / "old")
        (building / "new").rename(folder)
    finally:
        shutil.rmtree(building)
    return folder


def read_spec(folder: Path) -> SampleSpec:
    """The spec of the sample below `folder`.

    Raises:
        TerminalError: There is no sample, or one of another version or of other sources.
    """
    manifest = _read_manifest(folder)
    if manifest is None or not _has_values(manifest, _describe_generator()):
        raise TerminalError(
            f"{folder} contains no sample of this version and of the sources in the registry; write one with "
            "`data-stack sample generate`"
        )
    return SampleSpec.from_json(manifest["spec"])


def _write_sample(folder: Path, spec: SampleSpec) -> None:
    # imported here, because the samples import the class of the spec
    from dlt_pipeline.sample.source import find_sample

    folder.mkdir()
    for name in source_names():
        find_sample(name).write_files(folder / name, spec)
    manifest = {**_describe_generator(), "spec": spec.as_json(), "files": _measure_files(folder)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _describe_generator() -> dict[str, Any]:
    """What the manifest says of who wrote the sample."""
    return {"generator_version": GENERATOR_VERSION, "sources": source_names()}


def _has_values(manifest: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return {name: manifest.get(name) for name in wanted} == wanted


def _measure_files(folder: Path) -> dict[str, int]:
    """Bytes of every file except the manifest, by its path below the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _is_current(folder: Path, spec: SampleSpec) -> bool:
    manifest = _read_manifest(folder)
    if manifest is None or not _has_values(manifest, {**_describe_generator(), "spec": spec.as_json()}):
        return False
    return manifest.get("files") == _measure_files(folder)
