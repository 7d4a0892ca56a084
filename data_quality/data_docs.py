"""Data Docs: Great Expectations' own pages about the last runs, with counts and example keys and without values."""

import html
import json
import shutil
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.validator.validation_statistics import calc_validation_statistics

from data_quality.check import KEY, find_suite
from data_quality.evaluate import create_context
from data_stack.ops import Ops
from data_stack.registry import source_names
from data_stack.settings import Settings

RUNS_SHOWN = 10
HIDDEN = "value not shown"

_OUTCOMES = """
select *, evaluated_at_utc || '+00:00' as run_time
from validations
where run_id in (select run_id from validations group by run_id order by max(evaluated_at_utc) desc limit ?)
order by source, run_id, evaluated_at_utc, load_id, rowid
"""
_identify_expectation = itemgetter("source", "expectation", "column_name", "severity")


def build_data_docs(settings: Settings) -> Path:
    """Build the site of all suites and of the loads that the last `RUNS_SHOWN` runs validated.

    Outcomes come from the run records, bounds from the present suites; an outcome is left out if its suite no longer
    contains the expectation. The caller makes sure that no other process builds the site.

    Args:
        settings: Whose run records are read; the site is written to `docs_dir/data_quality`.

    Returns:
        The first page of the site.
    """
    site = settings.docs_dir / "data_quality"
    shutil.rmtree(site, ignore_errors=True)
    context = create_context()
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)}
    context.add_data_docs_site("quality", {"class_name": "SiteBuilder", "store_backend": store})
    configurations: dict[tuple[str, str, str, str], ExpectationConfiguration] = {}
    for name in source_names():
        suite = [expectation.configuration for check in find_suite(name) for expectation in check.expectations]
        context.suites.add(gx.ExpectationSuite(name, suite))
        configurations |= _index_configurations(name, suite)
    rows = Ops(settings).query(_OUTCOMES, [RUNS_SHOWN])
    rows = [row for row in rows if _identify_expectation(row) in configurations]
    for identity, group in groupby(rows, itemgetter("source", "run_id", "run_time", "load_id")):
        key = ValidationResultIdentifier.from_fixed_length_tuple(identity)
        outcomes = list(group)
        results = [_create_result(row, configurations[_identify_expectation(row)]) for row in outcomes]
        suite_result = ExpectationSuiteValidationResult(
            success=all(row["success"] or row["severity"] == "warning" for row in outcomes),
            results=results,
            suite_name=identity[0],
            statistics=dict(calc_validation_statistics(results)._asdict()),
            meta={
                "run_id": key.run_id,
                "great_expectations_version": gx.__version__,
                "batch_kwargs": {"data_asset_name": f"raw/{identity[0]}.duckdb, load {identity[-1]}"},
            },
        )
        context.validation_results_store.set(key, suite_result)
    context.build_data_docs()
    return site / "index.html"


def _index_configurations(
    source_name: str, suite: list[ExpectationConfiguration]
) -> dict[tuple[str, str, str, str], ExpectationConfiguration]:
    exact = {(source_name, each.type, each.kwargs["column"], each.severity.value): each for each in suite}
    # a warning that could not be evaluated is recorded as critical
    escalated = {(*key[:3], "critical"): each for key, each in exact.items()}
    return escalated | exact


def _create_result(row: dict[str, Any], configuration: ExpectationConfiguration) -> ExpectationValidationResult:
    keys = [html.escape(key) for key in json.loads(row["example_keys"])]
    counts = {
        "element_count": row["checked"],
        "unexpected_count": row["unexpected"],
        "unexpected_percent": 100 * row["unexpected"] / max(row["checked"], 1),
        "partial_unexpected_counts": [{"value": HIDDEN, "count": len(keys)}] if keys else [],
        "unexpected_index_column_names": [KEY],
        "unexpected_index_list": [{"row": HIDDEN, KEY: key} for key in keys],
    }
    # an expectation that failed without an unexpected value could not be evaluated
    is_evaluated = bool(row["success"] or row["unexpected"])
    problem = {"raised_exception": True, "exception_message": row["reason"], "exception_traceback": ""}
    return ExpectationValidationResult(
        success=bool(row["success"]),
        expectation_config=configuration,
        result=counts if is_evaluated else {},
        meta={},
        exception_info={} if is_evaluated else problem,
    )
