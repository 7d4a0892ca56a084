"""Every settings class, found through the registry, so that no list of them is kept by hand."""

from data_stack.registry import SOURCES
from data_stack.settings import BaseStackSettings, Settings


def settings_classes() -> list[type[BaseStackSettings]]:
    """The platform's settings class, and that of every source."""
    return [Settings, *(source.ingestion().SETTINGS for source in SOURCES)]
