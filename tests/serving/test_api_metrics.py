"""Metrics over HTTP: values, names, and who may read what comes from personal data."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from serving_support import Api, problem, publish_days

from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult
from data_stack.ops import LoadRecord, Ops, utc_now
from data_stack.role import Role
from data_stack.settings import Settings

pytestmark = pytest.mark.integration

PERSONAL = {"metrics": ["gifts_received"], "group_by": ["giver"]}
ROWS = {"metrics": ["loaded_rows", "rejected_rows"], "group_by": ["source"], "order_by": ["-loaded_rows"]}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("metrics") / "data")
    ops = Ops(settings)
    for number, name in enumerate(("visits", "accounts"), start=1):
        ops.record_load("a run", LoadRecord(name, f"load{number}", 10 * number + 1, 10 * number, 1, 0))
    publish_days(settings)
    return settings


@pytest.fixture(scope="module")
def served(published: Settings) -> Api:
    return Api(published.model_copy(update={"api_rate_limit": "10000/minute"}))


def query(api: Api, role: Role, **question: Any) -> Any:
    return api.by(role).post("/metrics/query", json=question)


def test_every_role_sees_which_metrics_there_are(served: Api) -> None:
    lists = [served.by(role).get("/metrics").json() for role in Role]
    infos = {found["name"]: MetricInfo.model_validate(found) for found in lists[0]}
    assert all(found == lists[0] for found in lists)
    assert infos["gifts_received"].is_personal and not infos["loaded_rows"].is_personal
    assert {"loads", "loaded_rows", "gifts_received"} <= set(infos)
    one = served.by(Role.ANALYST).get("/metrics/loaded_rows").json()
    assert MetricInfo.model_validate(one) == infos["loaded_rows"]


def test_the_values_are_those_of_the_publication(served: Api) -> None:
    answer = query(served, Role.ANALYST, **ROWS)
    result = MetricResult.model_validate_json(answer.content)
    assert result.rows == (("accounts", 20, 1), ("visits", 10, 1))
    assert result.query == MetricQuery.model_validate(ROWS)
    assert result.publication_id == served.anonymous.get("/ready").json()["publication_id"]
    assert f"{result.data_until}" == utc_now()[:10]


@pytest.mark.parametrize("role", Role)
def test_only_the_owner_reads_personal_metrics(served: Api, role: Role) -> None:
    answer = query(served, role, **PERSONAL)
    if role is Role.OWNER:
        assert answer.json()["rows"] == [["Grandma", 20.0], ["Grandpa", 22.5]]
    else:
        assert problem(answer, 403) == (
            f"gifts_received: computed from personal data, and the role {role} may not read personal data; "
            "use a token of a role that may: owner"
        )
        mixed = query(served, role, metrics=["loads", "gifts_received"])
        assert "Grandma" not in answer.text and "gifts_received: computed from" in problem(mixed, 403)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.OWNER])
def test_a_metric_that_does_not_exist_is_not_found(served: Api, role: Role) -> None:
    for answer in (served.by(role).get("/metrics/loaded_row"), query(served, role, metrics=["loads", "loaded_row"])):
        detail = problem(answer, 404)
        assert detail.startswith("there is no metric 'loaded_row'; near: ")
        assert "loaded_rows" in detail


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"metrics": ["loads"], "group_by": ["station"]}, "loads has no dimension 'station'"),
        ({"metrics": ["loads"], "order_by": ["rows"]}, "the answer has no column 'rows' to order by"),
        ({"metrics": ["loads"], "start": "2024-02-01", "end": "2024-01-01"}, "the period begins on 2024-02-01"),
        ({"metrics": ["loads"], "sql": "select 1"}, "body.sql: Extra inputs are not permitted"),
        ({"metrics": ["loads; drop table x"]}, "body.metrics.0: String should match pattern"),
        ({"metrics": []}, "body.metrics: Tuple should have at least 1 item"),
        ({"metrics": ["loads"], "limit": 1_000_000}, "body.limit: Input should be less than or equal to 10000"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(served: Api, question: dict[str, Any], reason: str) -> None:
    assert reason in problem(query(served, Role.OWNER, **question), 422)


def test_a_value_of_a_filter_is_a_value(served: Api) -> None:
    for value in ("' or 1=1 --", "{{ 1 }}", "visits'; drop table core.gifts; --"):
        where = [{"dimension": "source", "operator": "=", "values": [value]}]
        assert query(served, Role.ANALYST, metrics=["loads"], where=where).json()["rows"] == []
    assert query(served, Role.OWNER, **PERSONAL).status_code == 200


def test_only_post_asks_for_values(served: Api) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = served.by(Role.OWNER).request(method, "/metrics/query")
        assert problem(answer, 405).startswith(f"{method} /metrics/query: Method Not Allowed")
        assert answer.headers["Allow"] == "POST"
    posted = served.by(Role.OWNER).post("/metrics/loads")
    problem(posted, 405)
    assert posted.headers["Allow"] == "GET"


def test_without_a_publication_metrics_say_how_to_publish_one(settings: Settings) -> None:
    api = Api(settings)
    assert "there is no published warehouse" in problem(api.by(Role.OWNER).get("/metrics"), 503)
    publish_days(settings)
    assert api.by(Role.OWNER).get("/metrics").status_code == 200


def test_a_new_publication_answers_without_a_restart(published: Settings, tmp_path: Path) -> None:
    shutil.copytree(published.data_dir, tmp_path / "own")
    own = Settings.load(data_dir=tmp_path / "own")
    api = Api(own)
    before = query(api, Role.ANALYST, metrics=["loads"]).json()
    Ops(own).record_load("a run", LoadRecord("visits", "load9", 1, 1, 0, 0))
    publication_id = publish_days(own)
    after = query(api, Role.ANALYST, metrics=["loads"]).json()
    assert (before["rows"], after["rows"]) == ([[2]], [[3]])
    assert after["publication_id"] == publication_id != before["publication_id"]


def test_the_recorded_path_of_a_metric_has_no_name(served: Api) -> None:
    served.by(Role.ANALYST).get("/metrics/loads")
    query(served, Role.ANALYST, metrics=["loads"])
    assert [call["path"] for call in served.calls()[-2:]] == ["/metrics/{name}", "/metrics/query"]
