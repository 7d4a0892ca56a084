"""Each planted defect is found in its file and line, and nothing else is: by our check, the renderer or a linter."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from agents_support import Tree, needs_linters, run

from data_stack.settings import PROJECT_ROOT

# written in parts, so that this file holds neither a secret nor a machine's path
AWS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
HOME = "/ho" + "me/somebody/data.csv"
PASSWORD = "pass" + 'word = "hunter22x"'
YAML_PASSWORD = "# pass" + "word:\npass" + "word: hunter22x"
TOKEN = "ghp_" + "a1" * 20
OWN_TOKEN = "ds_" + "0123abcd_" + "a1" * 21 + "Z"
KEY_BLOCK = "-----BEGIN " + "RSA PRIVATE KEY-----"

SUBAGENT = ".awos/subagents/dbt-modeling.md"
RENDERED = ".claude/agents/dbt-modeling.md"
SPEC = "context/spec/900-planted"
WRAPPER = ".claude/commands/awos/spec.md"
ALLOWED = ".awos/scripts/docs_check/allowed.txt"
SETTINGS = ".claude/settings.json"
RULE = ".claude/rules/planted.md"
FUNCTIONAL = "# Planted\n\nStatus: Draft\n"

Expected = tuple[str, int, str]
ANY = -1


@dataclass(frozen=True)
class Defect:
    """A change, the finding that it must bring, and how many others it brings."""

    name: str
    plant: Callable[[Tree], Expected]
    further: int = 0


def named(text: str, problem: str, path: str = "dbt/CLAUDE.md", below: int = 0) -> Callable[[Tree], Expected]:
    """A text at the end of a file; the finding is `below` its first line."""
    return lambda tree: (path, tree.append(path, text) + below, problem)


def replaced(path: str, old: str, new: str, problem: str, below: int = 0) -> Callable[[Tree], Expected]:
    """A text for another one; the finding is `below` its first line."""
    return lambda tree: (path, tree.replace(path, old, new) + below, problem)


def spec(documents: dict[str, str], path: str, line: int, problem: str) -> Callable[[Tree], Expected]:
    """A spec folder with other documents than the good ones."""

    def plant(tree: Tree) -> Expected:
        good = {
            "functional-spec.md": FUNCTIONAL,
            "technical-considerations.md": FUNCTIONAL,
            "tasks.md": "# Tasks\n\n- [ ] 1.1 Do it.\n  **[Agent: dbt-modeling]**\n",
        }
        for name, text in {**good, **documents}.items():
            if text:
                tree.write(f"{SPEC}/{name}", text)
        return f"{SPEC}/{path}", line, problem

    return plant


def written(path: str, text: str, line: int, problem: str) -> Callable[[Tree], Expected]:
    def plant(tree: Tree) -> Expected:
        tree.write(path, text)
        return path, line, problem

    return plant


def other_title(path: str, title: str) -> Callable[[Tree], Expected]:
    def plant(tree: Tree) -> Expected:
        tree.replace(path, f"\n## {title}\n", "\n## Something else\n")
        return path, 1, f"`## {title}`"

    return plant


def too_long(tree: Tree) -> Expected:
    path = "tests/CLAUDE.md"
    lines = tree.read(path).splitlines()
    tree.write(path, "\n".join([*lines, *["A line."] * (200 - len(lines))]) + "\n")
    return path, 200, "has 200 lines"


def module_not_named(tree: Tree) -> Expected:
    lines = [line for line in tree.read("CLAUDE.md").splitlines() if "`dbt/" not in line]
    tree.write("CLAUDE.md", "\n".join(lines))
    return "CLAUDE.md", 1, "does not name dbt/CLAUDE.md"


def no_purpose(tree: Tree) -> Expected:
    tree.replace("tests/CLAUDE.md", "# tests\n", "# tests\n\n| table | first |\n|---|---|\n")
    return "tests/CLAUDE.md", 1, "does not state its purpose"


def no_claude(tree: Tree) -> Expected:
    (tree / "airflow/CLAUDE.md").unlink()
    return "airflow/CLAUDE.md", 1, "the module airflow has no CLAUDE.md"


NAMES = [
    Defect("path", named("See `dbt/models/no_such.sql`.", "no file or folder dbt/models/no_such.sql")),
    Defect("path beside the document", named("See `macros/no_such.sql`.", "no file or folder macros/no_such.sql")),
    Defect("path in a command", named("Run `.venv/bin/pytest tests/nothing -q`.", "no file or folder tests/nothing")),
    Defect("path in a block", named("```bash\ncat dbt/nothing.sql\n```", "no file or folder dbt/nothing.sql", below=1)),
    Defect("path of a run", named("See `DATA_DIR/elsewhere/x`.", "no file or folder DATA_DIR/elsewhere/x")),
    Defect("one of several", named("See `dbt/models/{core,martz}`.", "no file or folder dbt/models/{core,martz}")),
    Defect("placeholder", named("See `dlt_pipelines/<name>.py`.", "no file or folder dlt_pipelines/<name>.py")),
    Defect("module of the web", named("See `https.py`.", "no file or folder https.py")),
    Defect("path in prose", named("See dbt/models/no_such.sql for it.", "no file or folder dbt/models/no_such.sql")),
    Defect("program", named("Run `.venv/bin/nosuchtool -x`.", "no file or folder .venv/bin/nosuchtool")),
    Defect("route", named("Serves `/v2/archive`.", "no route /v2/archive")),
    Defect("glob", named("See `dbt/models/**/*.parquet`.", "no file or folder dbt/models/**/*.parquet")),
    Defect("planned path", named("See `dbt/profiles.yml` (planned).", "is marked (planned) and exists")),
    Defect("planned command", named("Run `make demo` (planned).", "is marked (planned) and exists")),
    Defect("planned table", named("See `core.fct_trips` (planned).", "is marked (planned) and exists")),
    Defect("make target", named("Run `make no-such-target`.", "no make target no-such-target")),
    Defect("second make target", named("Run `make lint no-such-target`.", "no make target no-such-target")),
    Defect("make target in a block", named("```bash\nmake nothing  # why\n```", "no make target nothing", below=1)),
    Defect(
        "command",
        named("Run `data-stack ingests bike`.", "no command data-stack ingests; did you mean data-stack ingest?"),
    ),
    Defect("subcommand", named("Run `data-stack sample serves`.", "no command data-stack sample serves")),
    Defect("option", named("Run `data-stack run --until 2024-01-31`.", "no option data-stack run --until")),
    Defect("option of a bare command", named("Run `transform --fast`.", "no option data-stack transform --fast")),
    Defect("option first", named("With `--no-such-option bike`.", "no identifier --no-such-option")),
    Defect("option alone", named("With `--no-such-option`.", "no identifier --no-such-option")),
    Defect(
        "setting", named("Set `BIKE_BASE_URI`.", "no setting or constant BIKE_BASE_URI; did you mean BIKE_BASE_URL?")
    ),
    Defect("setting in prose", named("Set WEATHER_BASE_URI.", "no setting or constant WEATHER_BASE_URI")),
    Defect(
        "setting in a block",
        named("```bash\nexport SNAPSHOT_KEEP=3\n```", "no setting or constant SNAPSHOT_KEEP", below=1),
    ),
    Defect("mart", named("See `marts.mart_demand_weekly`.", "there is no table marts.mart_demand_weekly")),
    Defect("schema", named("See `core.mart_demand_daily`.", "there is no table core.mart_demand_daily")),
    Defect("model", named("See `fct_voyages`.", "no table fct_voyages")),
    Defect("raw table", named("See `raw.journeys`.", "there is no table raw.journeys")),
    Defect("table of the records", named("See `ops.failures`.", "there is no table ops.failures")),
    Defect(
        "column of a mart", named("See `marts.mart_demand_daily.riders`.", "no column marts.mart_demand_daily.riders")
    ),
    Defect("column of a model", named("See `fct_trips.distance_km`.", "no column fct_trips.distance_km")),
    Defect("column of a raw table", named("See `raw.trips.rider`.", "no column raw.trips.rider")),
    Defect("column of the records", named("See `ops.loads.rows_lost`.", "no column ops.loads.rows_lost")),
    Defect("table in SQL", named("```sql\nselect * from marts.mart_x\n```", "there is no table marts.mart_x", below=1)),
    Defect("identifier", named("Call `no_such_function()`.", "no identifier no_such_function()")),
    Defect("identifier in a sentence", named("Write `select no_such_column from x`.", "no identifier no_such_column")),
    Defect("class", named("A `NoSuchClass`.", "no identifier NoSuchClass")),
    Defect("member of a module", named("Copy `steps.rollback_everything`.", "no identifier steps.rollback_everything")),
    Defect("name of another module", named("Copy `steps.find_leaks`.", "no identifier steps.find_leaks")),
    Defect(
        "import of Python",
        named(
            "```python\nfrom data_stack.loads import nothing_at_all\n```",
            "no identifier data_stack.loads.nothing_at_all",
            below=1,
        ),
    ),
    Defect("planned test", named("Run `.venv/bin/pytest tests/dbt` (planned).", "is marked (planned) and exists")),
    Defect("link", named("See [it](models/nothing.md).", "no file or folder models/nothing.md")),
    Defect("heading", named("See [it](CLAUDE.md#nothing-here).", "no heading CLAUDE.md#nothing-here")),
    Defect("workflow", named("Then `/awos:deploy`.", ".claude/commands/awos/deploy.md", "docs/agents.md"), further=1),
    Defect("agent in prose", named("Ask dbt-modelling.", "there is no agent dbt-modelling", "docs/agents.md")),
    Defect(
        "agent in a table",
        named(
            "| specialist |\n|---|\n| spark-engineer |", "there is no agent spark-engineer", "docs/agents.md", below=2
        ),
    ),
    Defect("AWS key", named(AWS_KEY, "looks like an AWS key", "README.md")),
    Defect("private key", named(KEY_BLOCK, "looks like a private key", "README.md")),
    Defect("token", named(TOKEN, "looks like a token", "README.md")),
    Defect("own token", named(OWN_TOKEN, "looks like a token", "README.md")),
    Defect("password in code", named(PASSWORD, "looks like a password", "data_stack/errors.py")),
    Defect("password in YAML", named(YAML_PASSWORD, "looks like a password", "dbt/profiles.yml", below=1)),
    Defect("path of a machine", named(f"# {HOME}", f"{HOME} is a path of one machine", "data_stack/errors.py")),
]
AGENT_FILES = [
    Defect("rule", written(RULE, "---\npaths:\n  - dbt/**\n  - dbx/**\n---\n\nText.\n", 4, "no file or folder dbx/**")),
    Defect(
        "key of a command", replaced(WRAPPER, "argument-hint:", "colour: red\nargument-hint:", "no front matter key")
    ),
]

FORM = [
    Defect("long", too_long),
    Defect("module not named", module_not_named),
    Defect("module without CLAUDE.md", no_claude, further=ANY),
    Defect("handover", other_title("data_stack/CLAUDE.md", "Handover")),
    Defect("mistakes", other_title("data_stack/CLAUDE.md", "Mistake -> Fix")),
    Defect("check", other_title("data_stack/CLAUDE.md", "Check")),
    Defect("no purpose", no_purpose),
    Defect("idle entry", named("no_such_outside_name", "no_such_outside_name is not needed", ALLOWED)),
    Defect("AGENTS.md", written("AGENTS.md", "# Agents\n", 1, "must point to CLAUDE.md")),
    Defect("no tasks", spec({"tasks.md": ""}, "tasks.md", 1, "is missing")),
    Defect("task", spec({"tasks.md": "# T\n\n- [ ] 1.1 Do it.\n\nText.\n"}, "tasks.md", 3, "names no agent")),
    Defect("agent", spec({"tasks.md": "- [ ] Do. **[Agent: cobol]**\n"}, "tasks.md", 1, "there is no agent cobol")),
    Defect("form", spec({"tasks.md": "- [ ] Do. **[Agent: name]**\n"}, "tasks.md", 1, "there is no agent name")),
    Defect("status", spec({"functional-spec.md": "# F\n\nStatus: Done\n"}, "functional-spec.md", 3, "Status Done")),
    Defect("no status", spec({"functional-spec.md": "# F\n\nText.\n"}, "functional-spec.md", 1, "has no Status")),
]


def ids(defects: list[Defect]) -> list[str]:
    return [defect.name for defect in defects]


def assert_found(tree: Tree, expected: Expected, further: int = 0) -> None:
    """The finding is there, in its place, and no other one than those that the defect is known to bring."""
    found = tree.new_findings()
    path, line, problem = expected
    assert [item for item in found if (item.path, item.line) == (path, line) and problem in item.text], found
    assert further == ANY or len(found) == 1 + further, found


@pytest.mark.parametrize("defect", NAMES, ids=ids(NAMES))
def test_a_name_of_nothing_is_found(tree: Tree, defect: Defect) -> None:
    assert_found(tree, defect.plant(tree), defect.further)


@pytest.mark.parametrize("defect", AGENT_FILES, ids=ids(AGENT_FILES))
def test_a_broken_agent_file_is_found(tree: Tree, defect: Defect) -> None:
    assert_found(tree, defect.plant(tree), defect.further)


@pytest.mark.parametrize("defect", FORM, ids=ids(FORM))
def test_a_wrong_form_is_found(tree: Tree, defect: Defect) -> None:
    assert_found(tree, defect.plant(tree), defect.further)


def test_a_renamed_file_is_found_in_every_document_that_names_it(tree: Tree) -> None:
    naming = {path for path in ("dbt/CLAUDE.md", SUBAGENT, RENDERED) if "macros/time.sql" in tree.read(path)}
    tree.move("dbt/macros/time.sql", "dbt/macros/clock.sql")
    found = tree.new_findings()
    assert naming and naming <= {finding.path for finding in found}
    assert all("macros/time.sql" in finding.text for finding in found)
    line = tree.read("dbt/CLAUDE.md").split("macros/time.sql")[0].count("\n") + 1
    assert ("dbt/CLAUDE.md", line) in {(finding.path, finding.line) for finding in found}


def test_a_renamed_agent_is_found_wherever_work_is_given_to_it(tree: Tree) -> None:
    tree.move(SUBAGENT, ".awos/subagents/dbt-models.md")
    tree.replace(".awos/subagents/dbt-models.md", "name: dbt-modeling", "name: dbt-models")
    found = {finding.path for finding in tree.new_findings() if "no agent dbt-modeling" in finding.text}
    assert {"CLAUDE.md", ".awos/subagents/data-quality.md", "docs/agents.md"} <= found


def test_a_removed_setting_is_found(tree: Tree) -> None:
    line = tree.replace("docs/settings.md", "| `SNAPSHOTS_KEEP`", "| `SNAPSHOTS_KEPT`")
    assert_found(tree, ("docs/settings.md", line, "no setting or constant SNAPSHOTS_KEPT"))


SOURCE_DEFECTS = [
    ("  - dbt/**", "  - dbx/**", "no file or folder dbx/**"),
    ("check: make check-dbt", "check: make check-dbx", "no make target check-dbx; did you mean check-dbt?"),
    ("  - dbt/CLAUDE.md", "  - dbt/CLOUD.md", "no file or folder dbt/CLOUD.md; did you mean dbt/CLAUDE.md?"),
]


@pytest.mark.parametrize(("old", "new", "problem"), SOURCE_DEFECTS)
def test_a_source_of_an_agent_is_checked(tree: Tree, old: str, new: str, problem: str) -> None:
    line = tree.replace(SUBAGENT, old, new)
    found = [finding for finding in tree.new_findings() if finding.path == SUBAGENT]
    assert [f for f in found if f.line == line and problem in f.text], found


STRAY = '---\nname: stray\ndescription: "A stray."\ntools: Read\n---\n\nText.\n'
RENDERING = [
    ("not rendered", lambda tree: tree.delete(RENDERED), f"{RENDERED}:1: is not rendered"),
    ("stale", lambda tree: tree.append(RENDERED, "More."), f"{RENDERED}:1: differs from {SUBAGENT}"),
    (
        "without source",
        lambda tree: tree.write(".claude/agents/stray.md", STRAY),
        ".claude/agents/stray.md:1: has no source .awos/subagents/stray.md",
    ),
    (
        "name",
        lambda tree: tree.replace(SUBAGENT, "name: dbt-modeling", "name: dbt-models"),
        f"{SUBAGENT}:2: name is 'dbt-models' and the file dbt-modeling.md; make them equal",
    ),
]


@pytest.mark.parametrize(("plant", "problem"), [case[1:] for case in RENDERING], ids=[case[0] for case in RENDERING])
def test_the_renderer_finds_what_differs(tree: Tree, plant: Callable[[Tree], object], problem: str) -> None:
    plant(tree)
    done = run(PROJECT_ROOT / ".venv/bin/python", ".awos/scripts/render_agents.py", "--check", folder=tree.root)
    assert done.returncode == 1
    assert done.stderr.startswith(problem) and done.stderr.count("\n") == 1, done.stderr


def an_unknown_tool(tree: Tree) -> Expected:
    tree.replace(SUBAGENT, "tools: [Read", "tools: [Reed")
    run(PROJECT_ROOT / ".venv/bin/python", ".awos/scripts/render_agents.py", folder=tree.root)
    return RENDERED, 1, "Unknown tool 'Reed'"


LINTED = [
    Defect("unparsable", replaced(WRAPPER, "description: ", "description: a: b: ", "FM009")),
    Defect("key twice", replaced(WRAPPER, "description: ", "model: x\nmodel: y\ndescription: ", "duplicate key")),
    Defect("not closed", written(RULE, "---\npaths:\n  - dbt/**\n", 1, "missing closing ---")),
    Defect("no description", replaced(WRAPPER, "description: ", "model: ", "Missing required field: description")),
    Defect("unknown key", written(RULE, "---\npaths: [dbt/**]\ncolour: red\n---\n", 3, "frontmatter key 'colour'")),
    Defect("unknown tool", an_unknown_tool),
    Defect("hook", written(SETTINGS, '{\n  "hooks": {},\n  "hoks": {}\n}\n', 3, "'hoks' was unexpected")),
    Defect("permission", written(SETTINGS, '{\n "permissions": {\n  "deny": ["Reed(x)"]\n }\n}\n', 3, "names 'Reed'")),
    Defect("JSON", written(SETTINGS, '{\n  "hooks": {},\n}\n', 1, "trailing comma at line 3")),
    Defect("import", named("@docs/nothing.md", "Import target not found: @docs/nothing.md")),
    Defect("import of a command", named("@.awos/nothing.md", "Import target not found: @.awos/nothing.md", WRAPPER)),
]
# skilllint and check-jsonschema name the file and what is wrong, agnix also the line
WITHOUT_LINE = ("unparsable", "key twice", "no description", "hook")


@needs_linters
@pytest.mark.parametrize("defect", LINTED, ids=ids(LINTED))
def test_a_linter_finds_it(tree: Tree, defect: Defect) -> None:
    path, line, problem = defect.plant(tree)
    code, output = tree.lint()
    assert code == 1
    assert path in output if defect.name in WITHOUT_LINE else f"{path}:{line}:" in output, output
    assert problem in output, output


def test_what_is_planned_and_not_there_is_no_finding(tree: Tree) -> None:
    for text in (
        "`dlt_pipeline/glaciers.py` (planned), `core.fct_glaciers` (planned), `GLACIERS_BASE_URL` (planned)",
        "`make check-glaciers` (planned), `data-stack glaciers` (planned), `read_glaciers()` (planned)",
        "`stg_glaciers__hours` (planned), [it](glaciers.md) (planned), `tests/glaciers/**` (planned)",
        "`.venv/bin/pytest tests/glaciers -q` (planned), `select high_water_m from x` (planned)",
    ):
        tree.append("docs/agents.md", text)
    assert tree.new_findings() == []


def test_one_mark_is_enough_for_the_documents_of_a_folder(tree: Tree) -> None:
    tree.append(
        "docs/agents.md", "`dlt_pipeline/glaciers.py` (planned) is new; `dlt_pipeline/glaciers.py` reads glaciers."
    )
    assert tree.new_findings() == []
    tree.append("README.md", "See `dlt_pipeline/glaciers.py`.")
    assert [finding.path for finding in tree.new_findings()] == ["README.md"]


def test_what_is_right_is_no_finding(tree: Tree) -> None:
    # the short path has no other document
    tree.write("context/spec/901-short/functional-spec.md", FUNCTIONAL)
    for text in (
        "`models/core/`, `dbt/models/**/*.yml`, `data_quality/suites/<source>.py`, `data_stack/{loads,ops}.py`",
        "`.venv/bin/pytest`, `raw/<source>.duckdb`, `DATA_DIR/build/warehouse.duckdb`, `data/demo`",
        "`tests/dbt/dbt_support.py:12`, `.env`",
        "`data-stack run --from 2024-01-01 --dry-run`, `--debug`, `transform --full-refresh`, `make lint types`",
        "`core.fct_trips.ride_id`, `ops.publication`, `raw._dlt_loads`, `marts.*`, `core.*`, `Ops.record_publication`",
        "`https://example.org/a/b`, `/v1/archive`, `2024-01-01`, `a + b`, `stg_weather__*`, `is_...`, `_local`",
        "`**[Agent: name]**`, [above](#check), [the root](../CLAUDE.md), `general-purpose`, `ValueError`, `os.replace`",
    ):
        tree.append("dbt/CLAUDE.md", text)
    assert tree.new_findings() == []


def test_released_versions_may_name_what_was(tree: Tree) -> None:
    tree.append("CHANGELOG.md", "- `gone_in_unreleased`")
    tree.append("CHANGELOG.md", "## [0.0.1] - 2020-01-01\n\n- `gone_long_ago`")
    assert [finding.text.partition(";")[0] for finding in tree.new_findings()] == [
        "there is no identifier gone_in_unreleased"
    ]


def test_the_command_names_place_and_remedy_and_fails(tree: Tree) -> None:
    line = tree.append("README.md", "`make nothing-there`")
    done = run(PROJECT_ROOT / ".venv/bin/python", ".awos/scripts/check_docs.py", folder=tree.root)
    assert done.returncode == 1, done.stderr
    assert f"README.md:{line}: there is no make target nothing-there; " in done.stdout


def test_nothing_is_wrong_in_the_repository(copied: Tree) -> None:
    assert [str(finding) for finding in copied.clean] == []
