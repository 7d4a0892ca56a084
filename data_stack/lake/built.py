"""Which manifests of the lake belong to the build, and so to the publication that is made of it."""

import json
from collections.abc import Mapping
from pathlib import Path

from data_stack.settings import Settings

PUBLISHED_AS = "lake_manifest"
"""Key of a source's manifest in the `sources` of a publication."""


def write_build_manifests(settings: Settings, manifests: Mapping[str, str]) -> None:
    """Remember the manifests that have the same rows as the build.

    Args:
        settings: Whose build.
        manifests: Identifiers by source name; none without a lake.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    _file(settings).write_text(json.dumps(dict(manifests)))


def read_build_manifests(settings: Settings) -> dict[str, str]:
    """The manifests that have the same rows as the build, by source name; none without a lake."""
    try:
        return {str(name): str(found) for name, found in json.loads(_file(settings).read_text()).items()}
    except FileNotFoundError:
        return {}


def _file(settings: Settings) -> Path:
    return settings.build_dir / "lake_manifests.json"
