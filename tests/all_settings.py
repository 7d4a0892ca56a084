"""Every settings class, found through the registry, so that no list of them is kept by hand."""

from data_stack.registry import SOURCES
from data_stack.settings import BaseStackSettings, Settings
from dlt_pipeline.reader import find_reader


def settings_classes() -> list[type[BaseStackSettings]]:
    """The platform's settings class, and that of every source."""
    return [Settings, *(find_reader(source.name).settings_class for source in SOURCES)]
