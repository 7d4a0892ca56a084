"""The environment variables of dlt that importing `dlt_pipeline` sets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_python(code: str, **variables: str) -> str:
    """Standard output of Python code in a process of its own, with more environment variables."""
    # without the variables that importing `dlt_pipeline` and loading have set in this process
    own = {name: value for name, value in os.environ.items() if "__" not in name and name != "DLT_PROJECT_DIR"}
    environment = own | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_dlt_sends_no_telemetry_whichever_module_imports_it_first() -> None:
    code = (
        "import dlt_pipeline.weather, dlt; from dlt.common.runtime import run_context\n"
        "print(dlt.current.run_context().runtime_config.dlthub_telemetry)"
    )
    assert run_python(code) == "False"


def test_a_variable_that_the_user_has_set_is_kept() -> None:
    names = ("RUNTIME__LOG_LEVEL", "LOAD__WORKERS", "RUNTIME__DLTHUB_TELEMETRY")
    code = f"import os, dlt_pipeline; print(*(os.environ[name] for name in {names}))"
    assert run_python(code, RUNTIME__LOG_LEVEL="INFO", LOAD__WORKERS="7") == "INFO 7 false"
    assert run_python(code, RUNTIME__DLTHUB_TELEMETRY="true").endswith(" true")


def test_dlt_reads_its_secrets_without_importing_streamlit(tmp_path: Path) -> None:
    code = (
        "import sys; from data_stack.settings import Settings; from dlt_pipeline.transfer import _open_pipeline\n"
        "_open_pipeline(Settings(), 'p'); print('streamlit' in sys.modules)"
    )
    assert run_python(code, DATA_DIR=str(tmp_path)) == "False"
