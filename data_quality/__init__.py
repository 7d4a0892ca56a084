"""Quality gate: a Great Expectations suite a source, evaluated on every load that has not passed yet."""

import logging
import os

# both count only if they are set before the first import of great_expectations, and every submodule comes after this
os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.WARNING)
