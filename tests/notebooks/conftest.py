"""The modules beside the notebooks are no package: a kernel finds them because it runs in their folder."""

import sys

from data_stack.settings import PROJECT_ROOT

sys.path.append(str(PROJECT_ROOT / "notebooks"))
