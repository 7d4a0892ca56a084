"""Helpers for the tests of the API: an application in process, tokens by role, records of calls."""

import json
from collections.abc import Mapping
from typing import Any

import duckdb
from starlette.testclient import TestClient

from data_stack.api_messages import Problem
from data_stack.errors import NotFoundError
from data_stack.ops import Ops, new_id
from data_stack.publish import build_marker, semantic_manifest_file
from data_stack.registry import SOURCES
from data_stack.role import Role
from data_stack.settings import Settings
from orchestration import steps
from serving.api import make_app
from serving.executor import Executor
from serving.roof import RunStarter
from serving.tokens import create_token

NODE = {"kind": "model", "name": "visits", "layer": "core", "files": ["a.sql"], "task": "dbt_build", "owner": None}


def read_lineage(name: str) -> Mapping[str, Any]:
    """A lineage of one node; that of the project takes seconds to read."""
    if name != "visits":
        raise NotFoundError(f"the lineage has no node {name!r}; similar names are visits")
    return {"nodes": [NODE], "upstream": [NODE | {"name": "a file/with.dots"}], "downstream": []}


class Api:
    """The API in process, and callers of each role.

    Args:
        settings: Of the application.
        executor: Answers prompts.
        start_run: Starts runs.
    """

    def __init__(
        self, settings: Settings, executor: Executor | None = None, start_run: RunStarter | None = None
    ) -> None:
        self.settings = settings
        self.ops = Ops(settings)
        self.app = make_app(settings, read_lineage, executor, start_run)
        self.tokens = {role: create_token(self.ops, role, 1)[0] for role in Role}
        # what nobody foresaw is answered too
        self.anonymous = TestClient(self.app, raise_server_exceptions=True)

    def by(self, role: Role, **headers: str) -> TestClient:
        """A client with the token of a role."""
        return TestClient(self.app, headers={"Authorization": f"Bearer {self.tokens[role]}", **headers})

    def calls(self) -> list[dict[str, Any]]:
        """The recorded calls, in their order."""
        return self.ops.query("select * from api_calls order by rowid")


def problem(answer: Any, status: int) -> str:
    """The message of a failed call, after a check of its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = Problem.model_validate_json(answer.content)
    assert found.status == status
    assert found.request_id == answer.headers["X-Request-ID"]
    return found.detail


def _relation(table: str) -> dict[str, str]:
    names = {"alias": table, "schema_name": "core", "database": "warehouse"}
    return {**names, "relation_name": f'"warehouse"."core"."{table}"'}


GIFTS: dict[str, Any] = {
    "semantic_models": [
        {
            "name": "gifts",
            "node_relation": _relation("gifts"),
            "defaults": {"agg_time_dimension": "day"},
            "primary_entity": "gift",
            "entities": [],
            "dimensions": [
                {"name": "day", "type": "time", "expr": "given_on", "type_params": {"time_granularity": "day"}},
                {"name": "giver", "type": "categorical", "label": "Giver"},
            ],
            "measures": [{"name": "gifts_amount", "agg": "sum", "expr": "amount"}],
            "config": {"meta": {"sources": ["a source that is not registered"]}},
        }
    ],
    "metrics": [
        {
            "name": "gifts_received",
            "label": "Gifts",
            "description": "What was given.",
            "type": "simple",
            "type_params": {"measure": {"name": "gifts_amount"}},
            "config": {"meta": {"unit": "EUR", "owner": "serving"}},
        }
    ],
    "project_configuration": {
        "time_spine_table_configurations": [],
        "time_spines": [
            {
                "node_relation": _relation("dim_dates"),
                "primary_column": {"name": "date_local", "time_granularity": "day"},
                "custom_granularities": [],
            }
        ],
    },
    "saved_queries": [],
}
"""The definition of a personal metric: nobody knows what its source has. Those of the run records are not personal."""


def publish_days(settings: Settings) -> str:
    """Publish the facts of all sources with one day each, and the table of a personal metric.

    Returns:
        The publication's identifier.
    """
    settings.build_dir.mkdir(parents=True, exist_ok=True)
    settings.build_file.unlink(missing_ok=True)
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema core; create schema marts; create schema gate")
        columns = "table_name varchar, column_name varchar, data_type varchar, is_published boolean"
        db.execute(f"create table gate.personal_columns ({columns})")
        for source in SOURCES:
            db.execute(f"create table {source.fact} as select date '2024-01-01' as {source.day}")
        db.execute("create table core.dim_dates as select date '2024-01-01' as date_local")
        db.execute("create table core.gifts (given_on date, giver varchar, amount double)")
        db.execute("insert into core.gifts values ('2024-01-01', 'Grandma', 20), ('2024-01-02', 'Grandpa', 22.5)")
    semantic_manifest_file(settings).write_text(json.dumps(GIFTS))
    build_marker(settings).touch()
    run = steps.Run.begin(settings, new_id(), "test")
    with run.ops.run("publish", [], run_id=run.run_id):
        return steps.publish(run, unpin=True).publication_id
