"""The provider on loopback that tests start, with what each source's `provider.py` serves."""

from collections.abc import Callable
from pathlib import Path

from source_parts import find_parts

from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.source import SampleSource

Serve = Callable[..., SampleProvider]
"""The fixture `serve`: starts a provider of every source; given sources replace the default ones."""


def make_samples(folder: Path, *given: SampleSource) -> list[SampleSource]:
    """What a test's provider serves: the given sources, and the default of each other source of the registry.

    Args:
        folder: The test's own folder; the default of a source may serve a folder in it.
        given: Served instead of the default of the same name.
    """
    names = {sample.name for sample in given}
    parts = {name: part for name, part in find_parts("provider").items() if name not in names}
    return [*given, *filter(None, (part.make_sample(folder) for part in parts.values()))]
