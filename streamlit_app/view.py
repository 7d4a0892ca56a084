"""What a page is given: settings, the publication, the run records."""

from dataclasses import dataclass
from functools import cached_property

from data_stack.ops import Ops
from data_stack.settings import Settings
from streamlit_app.data import Warehouse, published


@dataclass
class View:
    """One look at a data folder, for one run of a page.

    Attributes:
        settings: The platform's settings.
    """

    settings: Settings

    @cached_property
    def warehouse(self) -> Warehouse:
        """The publication; one for the whole page, also when another comes in between.

        Raises:
            TerminalError: Nothing has been published yet.
        """
        return published(self.settings.warehouse_file)

    @cached_property
    def ops(self) -> Ops | None:
        """The run records as they are now, failed runs included; None where nothing ever ran."""
        return Ops.existing(self.settings.ops_dir)
