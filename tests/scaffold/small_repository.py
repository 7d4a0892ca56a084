"""A repository of a few files with every layer: `tram` and `tides` with a joint mart, and `tram_night` beside
them."""

import subprocess
from pathlib import Path

ENTRY = '''"""The entry of {title} in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "{name}",
    "{title}",
    table="rows",
    provider_words=({words}),
)
'''
PAGE = '''"""{title}: what is shown."""

from streamlit_app.page import Page
from streamlit_app.queries import {name} as queries

PAGE = Page(
    title="{title}",
    order={order},
)

TABLES = (queries.TABLE,)
'''
FILES = {
    ".gitignore": "__pycache__\n",
    ".sqlfluff": "[sqlfluff]\ndialect = duckdb\ntemplater = jinja\nmax_line_length = 120\n",
    "pyproject.toml": '[tool.ruff]\nline-length = 120\n[tool.ruff.lint]\nselect = ["E", "F", "I"]\n'
    '[tool.ruff.lint.isort]\nknown-first-party = ["data_stack", "dlt_pipeline", "streamlit_app"]\n',
    "data_stack/__init__.py": "",
    "data_stack/sources/__init__.py": "",
    "data_stack/sources/tram.py": ENTRY.format(
        name="tram", title="City Tram trips", words='"City Tram", "electric_tram"'
    ),
    "data_stack/sources/tram_night.py": ENTRY.format(name="tram_night", title="Tram share", words=""),
    "data_stack/sources/tides.py": ENTRY.format(name="tides", title="Hourly tides", words='"tide_code",'),
    "dlt_pipeline/__init__.py": "",
    "dlt_pipeline/http.py": '"""HTTP."""\n',
    "dlt_pipeline/tram.py": '''"""City Tram trips."""

from dlt_pipeline import http
from dlt_pipeline.tram_csv import parse_ride

TRAM_TYPES = ("electric_tram", "cargo_tram")
ANSWER = "the tram provider lists no file"


class TramReader:
    """Reads rides of citytram zips into raw.rides."""

    name = "tram"
    parse = staticmethod(parse_ride)
    fetch = http
''',
    "dlt_pipeline/tram_csv.py": '"""The CSV."""\n\n\ndef parse_ride(line: str) -> list[str]:\n    """Parse."""\n    '
    "return line.split()\n",
    "dlt_pipeline/tram_night.py": '"""Tram share."""\n\nNAME = "tram_night"\n',
    "dlt_pipeline/tides.py": '"""Tides."""\n\nNAME = "tides"\nCOLUMN = "tide_code"\n',
    "dlt_pipeline/sample/__init__.py": "",
    "dlt_pipeline/sample/draw.py": '"""Draws."""\n\nSEED = 1\n',
    "dlt_pipeline/sample/stations.py": '"""Stations of the tram sample."""\n\nfrom dlt_pipeline.sample.draw import '
    "SEED\n\nIDS = [SEED]\n",
    "dlt_pipeline/sample/tram.py": '"""The sample."""\n\nfrom dlt_pipeline.sample import stations\n\nIDS = '
    "stations.IDS\n",
    "dlt_pipeline/sample/tides.py": '"""The sample."""\n',
    "data_quality/suites/tram.py": '"""The suite."""\n\nCHECKS = ()\n',
    "data_quality/suites/tides.py": '"""The suite."""\n\nCHECKS = ()\n',
    "dbt/linting/__init__.py": "",
    "dbt/macros/time.sql": "{% macro utc(column) %}{{ column }}{% endmacro %}\n",
    "dbt/macros/tram.sql": "{% macro ride_kind(kind) %}lower({{ kind }}){% endmacro %}\n",
    "dbt/models/staging/_tram__sources.yml": "sources:\n  - name: tram\n    database: raw_tram\n    tables:\n      - "
    "name: rides\n",
    "dbt/models/staging/_tides__sources.yml": "sources:\n  - name: tides\n    tables:\n      - name: hours\n",
    "dbt/models/staging/stg_tram__rides.sql": "select {{ ride_kind('kind') }} as kind from {{ source('tram', "
    "'rides') }}\n",
    "dbt/models/staging/stg_tram__rides.yml": "models:\n  - name: stg_tram__rides\n",
    "dbt/models/staging/stg_tides__hours.sql": "select * from {{ source('tides', 'hours') }}\n",
    "dbt/models/core/fct_voyages.sql": "select kind from {{ ref('stg_tram__rides') }}\n",
    "dbt/models/core/fct_voyages.yml": "models:\n  - name: fct_voyages\n    description: One row per ride of a tram; "
    "trams are counted elsewhere.\n",
    "dbt/models/core/fct_voyages_unit_tests.yml": "unit_tests:\n  - name: kinds\n    model: fct_voyages\n",
    "dbt/models/core/dim_dates.sql": "select 1 as day\n",
    "dbt/models/marts/mart_daily.sql": "select * from {{ ref('fct_voyages') }} cross join {{ ref('stg_tides__hours') "
    "}}\n",
    "dbt/models/marts/mart_daily.yml": "models:\n  - name: mart_daily\n",
    "dbt/models/marts/mart_kinds.sql": (
        "select kind from {{ ref('fct_voyages') }} cross join {{ ref('dim_dates') }}\n"
        "inner join {{ ref('kinds') }} using (kind)\n"
    ),
    "dbt/metrics/tram.yml": "metrics:\n  - name: late_tram_rides\n    type: simple\n",
    "dbt/models/exposures/page_stations.yml": (
        "exposures:\n  - name: page_stations\n    label: Stations\n    depends_on:\n      - ref('mart_kinds')\n      - "
        "metric('late_tram_rides')\n"
    ),
    "dbt/models/exposures/page_tram_demand.yml": (
        "exposures:\n  - name: page_tram_demand\n    depends_on:\n      - ref('mart_daily')\n"
    ),
    "dbt/seeds/kinds.csv": "kind\nelectric_tram\n",
    "dbt/seeds/kinds.yml": "seeds:\n  - name: kinds\n",
    "dbt/tests/assert_kinds_add_up.sql": "select * from {{ ref('mart_kinds') }}\n",
    "dbt/tests/assert_daily_adds_up.sql": "select * from {{ ref('mart_daily') }}\n",
    "streamlit_app/__init__.py": "",
    "streamlit_app/app_pages/__init__.py": "",
    "streamlit_app/app_pages/stations.py": PAGE.format(name="stations", title="Stations", order=40),
    "streamlit_app/app_pages/tram_demand.py": PAGE.format(name="tram_demand", title="Tram demand", order=41),
    "streamlit_app/queries/__init__.py": "",
    "streamlit_app/queries/stations.py": 'TABLE = "marts.mart_kinds"\nDAYS = "core.dim_dates"\n',
    "streamlit_app/queries/tram_demand.py": 'TABLE = "marts.mart_daily"\n',
    "notebooks/tram_eda.ipynb": '{"source": "from marts.mart_kinds"}\n',
    "streamlit_app/home_cards/__init__.py": "",
    "streamlit_app/home_cards/tram.py": "from streamlit_app.queries import tram_home as queries\n\nTABLE = "
    "queries.TABLE\n",
    "streamlit_app/queries/tram_home.py": 'TABLE = "marts.mart_kinds"\n',
    "dbt/models/exposures/tram_home.yml": "exposures:\n  - name: tram_home\n    depends_on:\n      - "
    "ref('mart_kinds')\n",
    "tests/streamlit_app/test_tram_home.py": "",
    "streamlit_app/home_cards/tides.py": 'TABLE = "marts.mart_daily"\n',
    "tests/notebooks/test_notebook_tram_eda.py": "",
    "notebooks/questions.ipynb": '{"source": "from marts.mart_daily"}\n',
    "benchmarks/rides.py": '"""Speed."""\n\nfrom dlt_pipeline.tram import TramReader\n\nREADER = TramReader\n',
    "tests/conftest.py": '"""Fixtures."""\n',
    "tests/sources/tram/provider.py": 'RIDE = "a tram ride"\n',
    "tests/sources/tram/2024.bin": "\n",
    "tests/sources/tram_night/provider.py": "RIDE = 1\n",
    "tests/sources/tides/provider.py": "HOUR = 1\n",
    "tests/dlt_pipeline/test_tram.py": (
        "from sources.tram.provider import RIDE\n\nfrom dlt_pipeline.tram import TramReader\n\n\n"
        'def test_tram() -> None:\n    assert TramReader.name == "tram" and RIDE\n'
    ),
    "tests/streamlit_app/test_app_stations.py": (
        "from streamlit_app.app_pages.stations import PAGE\nfrom streamlit_app.queries import stations as queries\n\n\n"
        'def test_title() -> None:\n    assert (PAGE.title, open_page("stations"), queries.TABLE) == ("Stations", 1, '
        "2)\n\n\n"
        "def open_page(name: str) -> int:\n    return len(name)\n"
    ),
    "tests/streamlit_app/test_app_tram_demand.py": "",
    "tests/test_platform.py": 'def test_text() -> None:\n    assert "a tram" != "trams"\n',
    "tests/test_pipeline.py": 'def test_run() -> None:\n    """tram."""\n    assert "tram" in ["tram"]\n',
    "tests/test_joint.py": 'SQL = "select * from marts.mart_daily"\n',
    "CHANGELOG.md": "- `dlt_pipeline/tram.py` was added\n",
    "README.md": (
        "# Platform\n\n`tram` in a sentence stays.\n\n| file | what |\n|---|---|\n| `dlt_pipeline/tram.py` | rides |\n"
        "| `dlt_pipeline/http.py` | HTTP |\n| `core.*` | facts: `fct_voyages`, `dim_dates` |\n"
        "| copy from | `tram.py`, `tides.py` |\n\n"
        "- one reader is `tram_csv.py`,\n  in two lines\n- another is `tides.py`\n\n"
        "| table | of |\n|---|---|\n| `marts.mart_kinds` | kinds |\n\nThe end.\n"
    ),
}


def make_repository(folder: Path) -> Path:
    """Write the files and commit them."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "tests/sources/tram/2024.bin").write_bytes(b"\xff\xfe\x00")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        run_git(folder, *command)
    return folder


def run_git(folder: Path, *words: str) -> str:
    """Run git in a folder, as somebody whom no configuration names."""
    names = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *names, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def list_repository(folder: Path) -> dict[str, bytes]:
    """Content of all files but git's own, by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if "__pycache__" not in path.parts}
