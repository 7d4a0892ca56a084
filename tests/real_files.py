"""The providers' real files, which are not in the repository."""

import os
from pathlib import Path

import pytest

from data_stack.settings import PROJECT_ROOT

REAL_FILES = Path(os.environ.get("SHARED_DATA_DIR") or PROJECT_ROOT.parent / "shared" / "data")

needs_real_files = pytest.mark.skipif(not REAL_FILES.exists(), reason="the providers' real files are not here")
