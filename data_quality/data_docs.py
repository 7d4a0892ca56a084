"""Data Docs: Great Expectations' own pages about the last runs, with counts and keys and no values."""

import copy
import html
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult, RunIdentifier
from great_expectations.data_context import AbstractDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    FilesystemStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

from data_quality.check import KEY
from data_quality.evaluate import Tally
from data_stack.locks import Locks
from data_stack.registry import Source
from data_stack.settings import Settings

# a build reads and renders every stored result, 20 to 30 ms each
RUNS_KEPT = 10
HIDDEN = "value not shown"


class DataDocs:
    """The stored results of the last runs, and the site made of them.

    Args:
        settings: Results and suites are kept in `data_dir/gx`, the site is `docs_dir/data_quality/index.html`.
    """

    def __init__(self, settings: Settings) -> None:
        self.site = settings.docs_dir / "data_quality"
        self._new_site = settings.docs_dir / "data_quality.new"
        self._locks = Locks(settings.locks_dir, "Data Docs")
        self._started = datetime.now(UTC)
        self.context = _context(settings.data_dir / "gx", self._new_site)

    def store(self, run_id: str, source: Source, load_id: str, tallies: list[Tally]) -> None:
        """Keep the result of one load for the next build.

        Args:
            run_id: The run that validated it.
            source: Its source.
            load_id: dlt's load identifier.
            tallies: What the evaluation counted.
        """
        self._store_suite(source, tallies)
        run = RunIdentifier(run_name=run_id, run_time=self._started)
        key = ValidationResultIdentifier(
            expectation_suite_identifier=ExpectationSuiteIdentifier(source.name), run_id=run, batch_identifier=load_id
        )
        self.context.validation_results_store.set(key, _suite_result(run, source, load_id, tallies))

    def build(self) -> Path:
        """Render the site of the last `RUNS_KEPT` runs and put it in the place of the one before.

        Returns:
            Its first page.
        """
        with self._locks.hold("data-docs", wait_seconds=60):
            self._forget_old_runs()
            shutil.rmtree(self._new_site, ignore_errors=True)
            self.context.build_data_docs()
            shutil.rmtree(self.site, ignore_errors=True)
            self._new_site.rename(self.site)
        return self.site / "index.html"

    def _store_suite(self, source: Source, tallies: list[Tally]) -> None:
        expectations = [copy.copy(tally.expectation) for tally in tallies]
        self.context.suites.add_or_update(gx.ExpectationSuite(name=source.name, expectations=expectations))

    def _forget_old_runs(self) -> None:
        store = self.context.validation_results_store
        newest: dict[str, datetime] = {}
        for key in store.list_keys():
            newest[key.run_id.run_name] = max(key.run_id.run_time, newest.get(key.run_id.run_name, key.run_id.run_time))
        kept = sorted(newest, key=lambda run: newest[run])[-RUNS_KEPT:]
        for key in store.list_keys():
            if key.run_id.run_name not in kept:
                store.remove_key(key)


def build_data_docs(settings: Settings) -> Path:
    """Render the site again from the stored results, without validating anything.

    Returns:
        Its first page.
    """
    return DataDocs(settings).build()


def _context(root: Path, site: Path) -> AbstractDataContext:
    # ephemeral: nothing is scaffolded into the working folder, and only suites and results are kept on disk
    root.mkdir(parents=True, exist_ok=True)
    config = DataContextConfig(
        store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(root)),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        data_docs_sites={
            "quality": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _suite_result(
    run: RunIdentifier, source: Source, load_id: str, tallies: list[Tally]
) -> ExpectationSuiteValidationResult:
    results = [_result(tally) for tally in tallies]
    succeeded = sum(result.success is True for result in results)
    return ExpectationSuiteValidationResult(
        success=all(t.success or t.record().severity == "warning" for t in tallies),
        results=results,
        suite_name=source.name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": succeeded,
            "unsuccessful_expectations": len(results) - succeeded,
            "success_percent": 100 * succeeded / len(results),
        },
        meta={
            "run_id": run,
            "validation_time": run.run_time.isoformat(),
            "great_expectations_version": gx.__version__,
            "batch_kwargs": {"data_asset_name": f"raw/{source.name}.duckdb, load {load_id}"},
        },
    )


def _result(tally: Tally) -> ExpectationValidationResult:
    raised = tally.problem is not None
    return ExpectationValidationResult(
        success=tally.success,
        expectation_config=tally.expectation.configuration,
        result={} if raised else _counts(tally),
        meta={},
        exception_info={"raised_exception": raised, "exception_message": tally.problem, "exception_traceback": None},
    )


def _counts(tally: Tally) -> dict[str, Any]:
    percent = 100 * tally.unexpected / tally.checked if tally.checked else 0.0
    shown = len(tally.example_keys)
    return {
        "element_count": tally.checked,
        "unexpected_count": tally.unexpected,
        "unexpected_percent": percent,
        "unexpected_percent_total": percent,
        "unexpected_percent_nonmissing": percent,
        "partial_unexpected_counts": [{"value": HIDDEN, "count": shown}] if shown else [],
        "unexpected_index_column_names": [KEY],
        "unexpected_index_list": [{"row": HIDDEN, KEY: html.escape(key)} for key in tally.example_keys],
    }
