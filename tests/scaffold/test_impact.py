"""Which tests a change selects: on a small record, and on a small repository that is really recorded."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_stack.errors import UsageError
from scaffold.changed_tests import describe_tests, order_tests
from scaffold.changes import Change, find_changes, name_files
from scaffold.code_graph import CodeGraph, find_changed
from scaffold.impact import Tests as Selected
from scaffold.impact import select_tests
from scaffold.lineage import Lineage, Node
from scaffold.opened_files import ROOT, find_name
from scaffold.record import Outcome, Record

FILES = {
    "shop/limits.py": "LIMIT = 3\nUNUSED = 4\n",
    "shop/check.py": (
        "from functools import cache\nfrom shop.limits import LIMIT\n\n"
        "def is_over(count):\n    return count > LIMIT\n\n"
        "def double(count):\n    return 2 * count\n\n"
        "@cache\ndef read():\n    return double(1)\n\n"
        "def use():\n    return read()\n\n"
        "TWICE = double(LIMIT)\n\n"
        "def show():\n    return TWICE\n"
    ),
    "shop/app.py": "from shop import check\n\ndef run():\n    return check.is_over(1)\n",
    "data_stack/sources/tea.py": "SOURCE = ('tea', 1)\n",
    "shop/registry.py": (
        "import importlib\nfrom data_stack import sources\n\n"
        "def load(name):\n    return importlib.import_module(f'{sources.__name__}.{name}')\n\n"
        "SOURCES = [load('tea')]\n\n"
        "def names():\n    return SOURCES\n"
    ),
    "data_stack/sources/__init__.py": "",
    "shop/rule.py": "class Rule:\n    def sql(self):\n        return 1\n",
    "shop/suite.py": (
        "from shop.rule import Rule\nRULES = [Rule()]\nTEXT = [rule.sql() for rule in RULES]\n\n"
        "def text():\n    return TEXT\n"
    ),
}
USED = {
    "tests/test_shop.py::test_over": {"shop/check.py::is_over"},
    "tests/test_shop.py::test_double": {"shop/check.py::double"},
    "tests/test_shop.py::test_use": {"shop/check.py::use"},
    "tests/test_shop.py::test_show": {"shop/check.py::show"},
    "tests/test_shop.py::test_app": {"shop/app.py::run", "shop/check.py::is_over"},
    "tests/test_shop.py::test_text": {"shop/suite.py::text"},
    "tests/test_shop.py::test_names": {"shop/registry.py::names"},
    "tests/test_shop.py::test_page[x]": {"dbt/models/staging/stg_tea.sql", "docs/tea.md", "docs/"},
    "fixture:built": {"dbt/models/marts/mart_tea.sql"},
}


@pytest.fixture
def record() -> Record:
    tests = {test: Outcome(1.0) for test in USED if not test.startswith("fixture:")}
    tests["tests/test_shop.py::test_built"] = Outcome(2.0, fixtures=("built",))
    return Record(tests, {test: set(used) for test, used in USED.items()})


def select(record: Record, path: str, before: str = "", after: str = "", lineage: Lineage | None = None) -> set[str]:
    """Names of the selected tests after a replacement in a file."""
    text = FILES.get(path, "")
    assert text.count(before) or not before
    changed = find_changed(path, text, text.replace(before, after)) if path.endswith(".py") else ()
    selected = select_tests([Change(path, frozenset(changed))], CodeGraph.read(FILES), lineage or Lineage(), record)
    return {test.partition("::test_")[2] for test in selected.selected}


@pytest.mark.parametrize(
    ("path", "before", "after", "tests"),
    [
        ("shop/check.py", "count > LIMIT", "count >= LIMIT", {"over", "app"}),
        ("shop/limits.py", "LIMIT = 3", "LIMIT = 5", {"over", "app", "show"}),
        # `read` is cached, so only the first test that needs it runs `double`
        ("shop/check.py", "2 * count", "3 * count", {"double", "use", "show"}),
        ("shop/check.py", "def is_over(count)", "def is_over(count=9)", {"over", "app"}),
        ("data_stack/sources/tea.py", "1", "2", {"names"}),
        ("shop/check.py", "LIMIT\n\ndef is_over", "LIMIT  # a comment\n\ndef is_over", set()),
        ("shop/rule.py", "return 1", "return 2", {"text"}),
        ("docs/tea.md", "", "", {"page[x]"}),
        ("docs/other.md", "", "", set()),
    ],
)
def test_change_selects_the_tests_that_use_it(
    record: Record, path: str, before: str, after: str, tests: set[str]
) -> None:
    assert select(record, path, before, after) == tests


def test_file_that_nothing_covers_is_reported(record: Record) -> None:
    tests = select_tests([Change("Makefile")], CodeGraph({}), Lineage(), record)
    assert tests.uncovered == ["Makefile"]
    assert "covered by nothing: Makefile" in describe_tests(tests)


def test_new_file_selects_the_tests_that_list_its_folder(record: Record) -> None:
    new = Change("docs/new.md", is_listed=True)
    assert select_tests([new], CodeGraph({}), Lineage(), record).selected == {"tests/test_shop.py::test_page[x]"}


def test_model_selects_the_tests_that_build_it_also_through_a_fixture(record: Record) -> None:
    lineage = Lineage()
    lineage.add(Node("model", "mart_tea", ("dbt/models/marts/mart_tea.sql", "dbt/models/marts/mart_tea.yml")))
    assert select(record, "dbt/models/marts/mart_tea.yml", lineage=lineage) == {"built"}


def test_macro_selects_the_tests_that_build_what_calls_it(record: Record) -> None:
    lineage = Lineage(macros={"m.inner": "dbt/macros/a.sql", "m.outer": "dbt/macros/b.sql"})
    lineage.called_macros = {"m.inner": set(), "m.outer": {"m.inner"}}
    staging = ("dbt/models/staging/stg_tea.sql",)
    lineage.add(Node("model", "stg_tea", staging, depends_on=frozenset({"m.outer"})))
    lineage.add(Node("model", "mart_tea", ("dbt/models/marts/mart_tea.sql",)))
    assert select(record, "dbt/macros/a.sql", lineage=lineage) == {"page[x]"}
    # no model calls it, so all can depend on it
    assert select(record, "dbt/macros/generate_schema_name.sql", lineage=lineage) == {"page[x]", "built"}


def test_tests_of_the_changed_module_come_first_and_then_those_that_take_least() -> None:
    seconds = {"a.py::one": 5.0, "a.py::two": 9.0, "b.py::one": 1.0, "test_check.py::one": 90.0, "c.py::one": 3.0}
    record = Record({test: Outcome(taken) for test, taken in seconds.items()}, {})
    tests = Selected({*seconds} - {"c.py::one"}, by_file={"shop/check.py": 4})
    assert order_tests(tests, record) == ["test_check.py::one", "b.py::one", "a.py::one", "a.py::two"]


def test_failed_test_is_selected_again(record: Record) -> None:
    record.tests["tests/test_shop.py::test_show"] = Outcome(1.0, is_failed=True)
    assert select(record, "docs/tea.md") == {"page[x]", "show"}


def test_new_test_of_a_known_file_is_found(record: Record) -> None:
    path = "tests/scaffold/test_impact.py"
    change = Change(path, frozenset(find_changed(path, "", "def test_new():\n    assert True\n")))
    assert select_tests([change], CodeGraph({}), Lineage(), record).files == {path}


def test_unknown_file_and_commit_are_named() -> None:
    with pytest.raises(UsageError, match="no file 'nowhere.py'"):
        name_files(["nowhere.py"])
    with pytest.raises(UsageError, match="no commit 'nowhere'"):
        find_changes("nowhere")


def test_record_survives_a_file(record: Record, tmp_path: Path) -> None:
    record.save(tmp_path / "record.json")
    assert Record.load(tmp_path / "record.json") == record


def test_sql_that_dbt_writes_counts_as_the_file_of_its_node() -> None:
    built = "/data/build/dbt/target/run/data_stack/models/core/fct_trips.sql"
    assert find_name(built) == "dbt/models/core/fct_trips.sql"
    tested = "/data/build/dbt/target/compiled/data_stack/models/core/fct_trips.yml/unique_fct_trips.sql"
    assert find_name(tested) == "dbt/models/core/fct_trips.yml"
    assert find_name(f"{ROOT}/dbt/seeds/weather_codes.csv") == "dbt/seeds/weather_codes.csv"
    assert find_name(f"{ROOT}/.venv/bin/python") is None
    assert find_name("/etc/hosts") is None


@pytest.mark.integration
def test_fixtures_processes_and_files_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import subprocess, sys, pytest\n"
        "from pathlib import Path\n"
        "from data_stack.settings import PROJECT_ROOT\n"
        "from data_stack.window import month_of, next_month\n"
        "from datetime import date\n"
        "@pytest.fixture(scope='session')\n"
        "def month():\n    return month_of(date(2024, 1, 2))\n"
        "def test_first(month):\n    assert month.day == 1\n"
        "def test_second(month):\n    assert next_month(month).month == 2\n"
        "def test_process():\n"
        "    code = 'from data_stack.registry import get_source; print(get_source(\"bike\").title)'\n"
        "    subprocess.run([sys.executable, '-c', code], check=True, cwd=PROJECT_ROOT)\n"
        "def test_script():\n"
        "    subprocess.run([sys.executable, Path(__file__).with_name('script.py')], check=True, cwd=PROJECT_ROOT)\n"
        "def test_file():\n    assert (PROJECT_ROOT / 'LICENSE').read_text()\n"
    )
    (tmp_path / "script.py").write_text("open('LICENSE').close()\n")
    record_file = tmp_path / "record.json"
    options = ["-p", "scaffold.recording", "--record", str(record_file), "-n", "0", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    record = Record.load(record_file)

    def find(name: str) -> set[str]:
        return {test.partition("::test_")[2] for test in record.find_tests({name})}

    assert find("data_stack/window.py::month_of") == {"first", "second"}
    assert find("data_stack/window.py::next_month") == {"second"}
    assert find("data_stack/registry.py::get_source") == {"process"}
    assert find("LICENSE") == {"file", "script"}
