"""`data-stack sample serve`: what it serves, what it prints, and what it refuses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from data_stack.registry import SOURCES, Source, source_names
from data_stack.settings import PROJECT_ROOT
from dlt_pipeline.sample.source import find_sample
from dlt_pipeline.sample.spec import SampleSpec, generate
from orchestration.cli.app import execute

SPEC = SampleSpec(rides_per_day=20, last_month=SampleSpec().first_month)


@contextmanager
def serving(*options: str) -> Iterator[dict[str, str]]:
    """Run the command until it has printed its variables, and end it after the block."""
    code = "import sys; from orchestration.cli import main; sys.argv[0] = 'data-stack'; main()"
    command = [sys.executable, "-c", code, "sample", "serve", *options]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        variables: dict[str, str] = {}
        try:
            for line in process.stdout:
                if line.startswith("serving"):
                    break
                name, _, value = line.rstrip().partition("=")
                variables[name] = value
            yield variables
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("sample") / "sample", SPEC)


@pytest.mark.integration
def test_a_sample_is_served_with_the_variables_that_are_printed(sample: Path) -> None:
    with serving("--folder", str(sample)) as variables:
        samples = [find_sample(name) for name in source_names()]
        asked = {found.url_variable: found.name for found in samples if found.url_variable}
        assert asked.keys() <= variables.keys()
        for variable, name in asked.items():
            response = requests.get(variables[variable], timeout=5)
            assert response.url.rstrip("/").endswith(f"/{name}")
            assert response.headers["X-Data-Stack-Origin"] == "sample"
    if variables:
        assert read_compose_file(variables) == dict.fromkeys(("pipeline", "scheduler"), variables)


def read_compose_file(variables: dict[str, str]) -> dict[str, dict[str, str]]:
    """The environment by service that `containers/run.sh` gets from the lines of the command."""
    script = PROJECT_ROOT / "tests" / "containers" / "provider.sh"
    printed = "".join(f"{name}={value}\n" for name, value in variables.items()) + "serving until Ctrl-C; set these\n"
    command = ["bash", str(script), "pipeline", "scheduler"]
    written = subprocess.run(command, input=printed, capture_output=True, text=True, check=True).stdout
    return {name: service["environment"] for name, service in yaml.safe_load(written)["services"].items()}


@pytest.mark.integration
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_stored_files_are_served_as_live_data(source: Source, sample: Path) -> None:
    folder = sample / source.name
    if not folder.exists():
        pytest.skip("the sample of this source has no files that could be served as stored")
    with serving("--stored", f"{source.name}={folder}") as variables:
        served = find_sample(source.name).of_stored(folder)
        assert served.list_variables().items() <= variables.items()
        for url in (value for value in variables.values() if value.startswith("http://")):
            response = requests.get(url, timeout=5)
            assert response.ok == url.endswith(f"/{source.name}")
            assert "X-Data-Stack-Origin" not in response.headers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give either --folder, or --stored NAME=PATH"),
        (["--folder", "a", "--stored", "b=c"], "give either --folder, or --stored NAME=PATH"),
        (["--stored", "nothing=a"], "there is no source 'nothing'"),
        (["--stored", "bare"], "--stored bare has no path"),
        (["--stored", "bare="], "--stored bare= has no path"),
    ],
)
def test_wrong_options_are_explained(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["sample", "serve", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(not SOURCES, reason="there is no source")
def test_a_source_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    name = SOURCES[0].name
    assert execute(["sample", "serve", "--stored", f"{name}=a", "--stored", f"{name}=b"]) == 2
    assert f"names the source {name} twice" in capsys.readouterr().err


def test_a_folder_without_a_sample_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["sample", "serve", "--folder", str(tmp_path)]) == 1
    assert "contains no sample of this version" in capsys.readouterr().err
