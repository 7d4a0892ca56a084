"""Loads the same CSV with other tools, each in an environment of its own outside the project.

A tool that does not install or run is no error: the message goes into the document.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from benchmarks.speed.comparison import Say, get_provider
from benchmarks.speed.processes import DATA_STACK, measure_command
from benchmarks.speed.rides import Provider
from benchmarks.speed.runs import serve
from data_stack.duck import connect_duckdb
from data_stack.settings import PROJECT_ROOT, folder_variables

ROWS = 100_000
START_UP_ROWS = 100
DLT_DICTS = Path(__file__).with_name("dlt_dicts.py")
UV = shutil.which("uv") or str(PROJECT_ROOT / ".tools" / "bin" / "uv")
SECONDS_MAX = 300
"""Seconds after which a load is given up."""
# reports of usage wait for a network that may not be there
NO_REPORTS = {
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "true",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}

MELTANO_PROJECT = """\
default_environment: bench
send_anonymous_usage_stats: false
environments: [{{name: bench}}]
plugins:
  extractors:
  - name: tap
    namespace: tap
    executable: {folder}/tap/bin/tap-spreadsheets
    capabilities: [catalog, discover]
    config: {{files: [{{path: {csv}, format: csv, table_name: trips, primary_keys: [ride_id]}}]}}
  loaders:
  - name: target-duckdb
    namespace: target_duckdb
    executable: {folder}/target/bin/target-duckdb
    config: {{path: {target}, default_target_schema: main}}
"""


@dataclass(frozen=True)
class Tool:
    """Another way to load a CSV into a DuckDB file.

    Attributes:
        name: Of the tool and its parts.
        packages: Requirements that are installed from the package index, by the name of the environment; none: the
            tool is in that of the project.
        build_command: Gives the command for a folder with the environments, a CSV and the DuckDB file.
    """

    name: str
    packages: dict[str, str]
    build_command: Callable[[Path, Path, Path], Sequence[str | Path]]


def _build_dlt_command(folder: Path, csv: Path, target: Path) -> Sequence[str | Path]:
    return [sys.executable, DLT_DICTS, csv, target]


def _build_meltano_command(folder: Path, csv: Path, target: Path) -> Sequence[str | Path]:
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    (project / "meltano.yml").write_text(MELTANO_PROJECT.format(folder=folder, csv=csv, target=target))
    return [folder / "meltano" / "bin" / "meltano", "--cwd", project, "run", "tap", "target-duckdb"]


def _build_tap_csv_command(folder: Path, csv: Path, target: Path) -> Sequence[str | Path]:
    return [folder / "tap-csv" / "bin" / "tap-csv", "--about"]


def _build_ingestr_command(environment: str) -> Callable[[Path, Path, Path], Sequence[str | Path]]:
    def build(folder: Path, csv: Path, target: Path) -> Sequence[str | Path]:
        # a path is relative to the folder in which it runs
        source = ["--source-uri", f"csv://{csv.name}", "--source-table", "trips"]
        destination = ["--dest-uri", f"duckdb:///{target}", "--dest-table", "main.trips"]
        return [folder / environment / "bin" / "ingestr", "ingest", *source, *destination, "--yes"]

    return build


def _build_sling_command(folder: Path, csv: Path, target: Path) -> Sequence[str | Path]:
    streams = ["--src-stream", f"file://{csv}", "--tgt-object", "main.trips"]
    return [
        "env",
        f"TARGET=duckdb://{target}",
        folder / "sling" / "bin" / "sling",
        "run",
        *streams,
        "--tgt-conn",
        "TARGET",
    ]


TOOLS = (
    Tool("dlt with a dict per row", {}, _build_dlt_command),
    Tool("Meltano's tap-csv", {"tap-csv": "tap-csv"}, _build_tap_csv_command),
    Tool(
        "Meltano, tap-spreadsheets, target-duckdb",
        {"meltano": "meltano", "tap": "tap-spreadsheets", "target": "target-duckdb duckdb<2"},
        _build_meltano_command,
    ),
    Tool("ingestr", {"ingestr": "ingestr"}, _build_ingestr_command("ingestr")),
    # the last one that is written in Python
    Tool("ingestr 0.13", {"ingestr-python": "ingestr<0.14"}, _build_ingestr_command("ingestr-python")),
    Tool("Sling", {"sling": "sling"}, _build_sling_command),
)


def compare_others(folder: Path, say: Say) -> dict[str, Any]:
    """Load the same rows with the platform and with every tool.

    Args:
        folder: Where files are written; environments stay there for the next call.
        say: Called with what goes on.

    Returns:
        Figures for the document.
    """
    work = folder / "others"
    work.mkdir(parents=True, exist_ok=True)
    files = []
    for rows in (START_UP_ROWS, ROWS):
        provider = get_provider(folder, rows, 1, say)
        files.append(write_csv(provider, work / f"{rows}.csv"))
    platform = measure_ingest(folder, say)
    return {"rows": ROWS, "platform": platform, "tools": [measure_tool(tool, work, files, say) for tool in TOOLS]}


def write_csv(provider: Provider, path: Path) -> Path:
    """Write the rides of all CSVs of a provider's zips into one, with lines that end as most tools expect.

    Args:
        provider: The zips.
        path: The CSV.
    """
    with path.open("wb") as file:
        for number, (source, name) in enumerate(_list_members(provider)):
            with zipfile.ZipFile(source) as archive, archive.open(name) as member:
                header = member.readline()
                if not number:
                    file.write(header)
                copyfileobj(member, file)
    return path


def _list_members(provider: Provider) -> list[tuple[Path, str]]:
    paths = sorted(provider.folder.glob("*.zip"))
    return [
        (path, name) for path in paths for name in zipfile.ZipFile(path).namelist() if not name.startswith("__MACOSX")
    ]


def measure_ingest(folder: Path, say: Say) -> dict[str, Any]:
    """Load the rides with the platform: only the raw file, as the other tools make it.

    Args:
        folder: See `compare_others`.
        say: Called with what goes on.
    """
    usages = []
    for rows in (START_UP_ROWS, ROWS):
        provider, data = get_provider(folder, rows, 1, say), folder / "others" / "data"
        shutil.rmtree(data, ignore_errors=True)
        days = ["--from", str(provider.window.start), "--to", str(provider.window.end)]
        with serve(provider) as served:
            variables = served.environment | folder_variables(data)
            usages.append(asdict(measure_command([DATA_STACK, "ingest", "bike", *days], variables)))
    version = subprocess.run(["git", "describe", "--always"], cwd=PROJECT_ROOT, capture_output=True, text=True).stdout
    start_up, load = usages
    return {"name": "the platform", "version": version.strip(), "rows": ROWS, "start_up": start_up, "load": load}


def measure_tool(tool: Tool, work: Path, files: list[Path], say: Say) -> dict[str, Any]:
    """Install a tool and load a small and a large CSV with it.

    Args:
        tool: The tool.
        work: Where its environments and files are.
        files: The two CSVs.
        say: Called with what goes on.

    Returns:
        Figures, or an `error`.
    """
    say(f"loading {ROWS:,} rows with {tool.name}")
    described = {"name": tool.name, "version": ", ".join(tool.packages.values())}
    try:
        for environment, package in tool.packages.items():
            _install(work / environment, package)
        described["version"] = _describe_versions(tool, work)
        target = work / "loaded.duckdb"
        start_up, load = (_load(tool, work, csv, target) for csv in files)
        return described | {"rows": _count_rows(target), "start_up": start_up, "load": load}
    except (RuntimeError, subprocess.SubprocessError) as error:
        return described | {"error": _find_error_line(error, work)}


def _install(environment: Path, package: str) -> None:
    """Install requirements from the package index into an environment, unless it is there."""
    if (environment / "installed").exists():
        return
    variables = os.environ | {"UV_SYSTEM_CERTS": "true", "UV_PYTHON_DOWNLOADS": "never"}
    python = str(environment / "bin" / "python")
    for command in (["venv", "--clear", "--python", sys.executable, str(environment)],
                    ["pip", "install", "--python", python, *package.split()]):  # fmt: skip
        done = subprocess.run([UV, *command, "--quiet"], env=variables, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
    (environment / "installed").touch()


def _describe_versions(tool: Tool, work: Path) -> str:
    found = []
    for environment, package in (tool.packages or {"": "dlt"}).items():
        python = work / environment / "bin" / "python" if environment else sys.executable
        name = package.split()[0].partition("<")[0]
        code = f"from importlib.metadata import version; print(version({name!r}))"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        found.append(f"{name} {done.stdout.strip()}")
    return ", ".join(found)


def _load(tool: Tool, work: Path, csv: Path, target: Path) -> dict[str, float]:
    target.unlink(missing_ok=True)
    command = ["timeout", str(SECONDS_MAX), *tool.build_command(work, csv, target)]
    return asdict(measure_command(command, NO_REPORTS, work))


def _count_rows(target: Path) -> int:
    with connect_duckdb(target, read_only=True) as db:
        row = db.execute("select count(*) from main.trips").fetchone()
    return int(row[0]) if row else 0


def _find_error_line(error: Exception, work: Path) -> str:
    """The last line of a message that says something, without addresses and paths, which are those of one machine."""
    # the exit code of `timeout`
    if "ended with exit code 124" in str(error):
        return f"not done after {SECONDS_MAX} seconds"
    lines = [line.strip(" ╰│├▶─·") for line in str(error).splitlines()]
    text = next((line for line in reversed(lines) if line), type(error).__name__)
    text = re.sub(r"\w+://\S+", "its address", text.replace(str(work), ""))
    return re.sub(r"(?<=\w)/(?=\w)", " ", text.replace("`", "'"))[:300]
