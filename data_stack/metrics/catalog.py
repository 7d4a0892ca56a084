"""What may be asked: the metrics of a publication, read from its semantic manifest.

Nobody reaches anything else: MetricFlow also answers for raw measures, whose filters are missing.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from data_stack.errors import MetricError
from data_stack.metrics.query import Grain
from data_stack.registry import SOURCES

GRAINS: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year")
METRIC_TIME = "metric_time"
_NEAR = 5


@dataclass(frozen=True)
class SemanticModel:
    """A published table that metrics are computed from.

    Attributes:
        name: Its name in the manifest.
        relation: The table, as SQL writes it.
        day: SQL of its day, or of the first day of its month.
        grain: The finest period that it has; None if its rows have no period.
        complete_when: SQL of the rows whose day counts as loaded completely.
        days_of: The model whose days are its own; empty: its own.
        sources: The sources that its rows come from.
        dimensions: MetricFlow's names by the names in a query.
        labels: Labels of the dimensions, by the names in a query.
    """

    name: str
    relation: str
    day: str
    grain: Grain | None
    complete_when: str
    days_of: str
    sources: tuple[str, ...]
    dimensions: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """A metric, as the manifest defines it.

    Attributes:
        name: As in a query.
        label: For people.
        description: What is counted, and what is left out.
        unit: Empty without one.
        owner: Who answers for the definition.
        kind: Simple, ratio, derived or cumulative.
        models: The tables that it is computed from.
        dimensions: MetricFlow's names by the names in a query.
        labels: Labels of the dimensions.
        grains: Periods by which it can be grouped, the finest first; none if it has no days.
        needs_grain: Whether it has a value per period only, such as a change on the period before.
        compared_with: How long before the period is that it is compared with, as a number of days, months, ...; None if
            it compares nothing.
    """

    name: str
    label: str
    description: str
    unit: str
    owner: str
    kind: str
    models: tuple[SemanticModel, ...]
    dimensions: Mapping[str, str]
    labels: Mapping[str, str]
    grains: tuple[Grain, ...]
    needs_grain: bool
    compared_with: tuple[int, Grain] | None

    @property
    def day_grain(self) -> Grain | None:
        """The grain of its days; None if it has none."""
        return find_day_grain(self.models)

    @property
    def is_personal(self) -> bool:
        """Whether a source of it has personal columns; a source that is not registered here counts as one."""
        harmless = {source.name for source in SOURCES if not source.personal_columns}
        return any(source not in harmless for model in self.models for source in model.sources)


class Catalog:
    """The metrics of one semantic manifest.

    Args:
        manifest: The manifest, as JSON.
    """

    def __init__(self, manifest: str) -> None:
        content = json.loads(manifest)
        self._models = {model["name"]: model for model in content["semantic_models"]}
        self._metrics = {metric["name"]: metric for metric in content["metrics"]}

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name, sorted."""
        return {name: self._read_metric(name) for name in sorted(self._metrics) if self._is_offered(name)}

    @cached_property
    def models(self) -> dict[str, SemanticModel]:
        """The tables by their names in the manifest."""
        return {name: self._read_model(model) for name, model in self._models.items()}

    def find(self, name: str) -> Metric:
        """Find a metric.

        Raises:
            MetricError: There is no such metric; names near ones.
        """
        if name in self.metrics:
            return self.metrics[name]
        near = self._find_near(name)
        hint = f"near: {', '.join(near)}; " if near else ""
        raise MetricError(f"there is no metric {name!r}; {hint}`data-stack metrics list` shows all")

    def _find_near(self, name: str) -> list[str]:
        near = difflib.get_close_matches(name, self.metrics, _NEAR, 0.6)
        words = [word for word in name.split("_") if len(word) > 2]
        scored = [
            (-sum(word in f"{metric.name} {metric.label} {metric.description}".lower() for word in words), metric.name)
            for metric in self.metrics.values()
        ]
        return list(dict.fromkeys([*near, *(found for score, found in sorted(scored) if score)]))[:_NEAR]

    def _is_offered(self, name: str) -> bool:
        # an input of another metric that nobody asks for by itself has no owner
        return bool(_meta(self._metrics[name]).get("owner"))

    def _read_metric(self, name: str) -> Metric:
        metric = self._metrics[name]
        meta = _meta(metric)
        models = tuple(self.models[found] for found in dict.fromkeys(self._find_models(name)))
        common = _common_items([model.dimensions for model in models])
        hidden = set(meta.get("hidden_dimensions", ()))
        dimensions = {key: value for key, value in common.items() if key not in hidden}
        compared_with = self._find_comparison(name)
        return Metric(
            name=name,
            label=metric.get("label") or name.replace("_", " ").capitalize(),
            description=" ".join((metric.get("description") or "").split()),
            unit=meta.get("unit", ""),
            owner=meta["owner"],
            kind=metric["type"],
            models=models,
            dimensions=dimensions,
            labels={key: model.labels[key] for model in models for key in dimensions},
            grains=_choose_grains(models, meta.get("grains")),
            needs_grain=compared_with is not None or metric["type"] == "cumulative",
            compared_with=compared_with,
        )

    def _inputs(self, name: str) -> list[dict[str, Any]]:
        """The metrics that a ratio or a derived metric is computed from."""
        params = self._metrics[name]["type_params"]
        found = [params.get("numerator"), params.get("denominator"), *(params.get("metrics") or ())]
        return [entry for entry in found if entry]

    def _find_models(self, name: str) -> list[str]:
        inputs = self._inputs(name)
        if inputs:
            return [model for entry in inputs for model in self._find_models(entry["name"])]
        measure = self._metrics[name]["type_params"]["measure"]["name"]
        return [
            model["name"]
            for model in self._models.values()
            if any(found["name"] == measure for found in model["measures"])
        ]

    def _find_comparison(self, name: str) -> tuple[int, Grain] | None:
        for entry in self._inputs(name):
            window = entry.get("offset_window")
            found = (window["count"], cast(Grain, window["granularity"])) if window else None
            found = found or self._find_comparison(entry["name"])
            if found:
                return found
        return None

    def _read_model(self, model: dict[str, Any]) -> SemanticModel:
        meta, relation = _meta(model), model["node_relation"]
        time = self._find_time(model)
        dimensions, labels = self._read_dimensions(model)
        has_days = time is not None and meta.get("has_days", True)
        return SemanticModel(
            name=model["name"],
            relation=f'"{relation["schema_name"]}"."{relation["alias"]}"',
            day=(time.get("expr") or time["name"]) if time else "",
            grain=cast(Grain, time["type_params"]["time_granularity"]) if time and has_days else None,
            complete_when=meta.get("complete_when", "true"),
            days_of=meta.get("days_of", ""),
            sources=tuple(meta.get("sources", ())),
            dimensions=dimensions,
            labels=labels,
        )

    def _find_time(self, model: dict[str, Any]) -> dict[str, Any] | None:
        name = (model.get("defaults") or {}).get("agg_time_dimension")
        found = (dimension for dimension in model["dimensions"] if dimension["name"] == name)
        return cast("dict[str, Any] | None", next(found, None))

    def _read_dimensions(self, model: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Its own categorical dimensions, and those of what its foreign keys refer to."""
        names, labels = dict[str, str](), dict[str, str]()
        keys = {entity["name"] for entity in model["entities"] if entity["type"] == "foreign"}
        owners = [(_primary_entity(model), model)]
        owners += [
            (key, other) for key in sorted(keys) for other in self._models.values() if _primary_entity(other) == key
        ]
        for entity, owner in owners:
            hidden = set(_meta(owner).get("hidden_dimensions", ()))
            for dimension in owner["dimensions"]:
                name = dimension["name"]
                if dimension["type"] == "categorical" and name not in hidden and name not in names:
                    names[name] = f"{entity}__{name}"
                    labels[name] = dimension.get("label") or name.replace("_", " ").capitalize()
        return names, labels


def find_day_grain(models: Iterable[SemanticModel]) -> Grain | None:
    """The finest period that all tables have; None if one of them has no days.

    Args:
        models: The tables.
    """
    grains = [model.grain for model in models]
    return None if None in grains else max((grain for grain in grains if grain), key=GRAINS.index)


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the near ones, or all.

    Args:
        name: What was given.
        known: What there is.
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, _NEAR, 0.5)
    return f"near: {', '.join(near)}" if near else f"there are: {', '.join(names) or 'none'}"


def _meta(element: Mapping[str, Any]) -> dict[str, Any]:
    return (element.get("config") or {}).get("meta") or {}


def _primary_entity(model: Mapping[str, Any]) -> str:
    named = next((entity["name"] for entity in model["entities"] if entity["type"] == "primary"), None)
    return cast(str, named or model.get("primary_entity") or "")


def _common_items(found: list[Mapping[str, str]]) -> dict[str, str]:
    first, *others = found
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _choose_grains(models: Iterable[SemanticModel], offered: list[Grain] | None) -> tuple[Grain, ...]:
    finest = find_day_grain(models)
    if finest is None:
        return ()
    coarser = GRAINS[GRAINS.index(finest) :]
    return tuple(grain for grain in coarser if _divides(finest, grain) and grain in (offered or GRAINS))


def _divides(finer: Grain, coarser: Grain) -> bool:
    return finer != "week" or coarser == "week"
