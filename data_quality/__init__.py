"""Quality gate: one Great Expectations suite per source, evaluated on every load that has not passed yet."""

import logging
import os

# both have an effect only before the first import of great_expectations, which only the submodules import
os.environ["GX_ANALYTICS_ENABLED"] = "false"
logging.getLogger("great_expectations").setLevel(logging.WARNING)
