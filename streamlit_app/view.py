"""What a page receives: settings, the publication, the run records."""

from dataclasses import dataclass
from functools import cached_property

from data_stack.ops import Ops
from data_stack.settings import Settings
from streamlit_app.data import Warehouse, open_publication


@dataclass
class View:
    """A data folder as seen by one run of a page.

    Attributes:
        settings: The platform's settings.
    """

    settings: Settings

    @cached_property
    def warehouse(self) -> Warehouse:
        """The publication; the same one for the whole page, even if there is a new one meanwhile.

        Raises:
            TerminalError: Nothing has been published yet.
        """
        return open_publication(self.settings.warehouse_file)

    @cached_property
    def ops(self) -> Ops | None:
        """The current run records, including failed runs; None if there was no run."""
        return Ops.existing(self.settings)
