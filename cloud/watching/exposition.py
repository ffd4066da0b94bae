"""Metrics as Prometheus reads them, of one process or of all that gunicorn runs.

Where PROMETHEUS_MULTIPROC_DIR was set before the process imported `prometheus_client`, counts are kept in files there, one set per
worker, and whoever is asked tells the sum (https://prometheus.github.io/client_python/multiprocess/).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def new_registry() -> CollectorRegistry:
    """One that is empty. Where workers count in files, there is a folder for them from now on."""
    shared_folder()
    return CollectorRegistry()


def shared_folder() -> Path | None:
    """A folder in memory that the worker processes share, made if need be; None for a process that is alone."""
    if not (name := os.environ.get(FOLDER)):
        return None
    folder = Path(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def exposition(registry: CollectorRegistry, *beside: Collector) -> bytes:
    """The metrics of a registry, of all worker processes together where there are several, and those `beside` them."""
    if FOLDER in os.environ:
        shown = CollectorRegistry()
        MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    else:
        shown = registry
    return generate_latest(shown) + b"".join(generate_latest(_alone(collector)) for collector in beside)


def _alone(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Series(Generic[Metric]):
    """The series of a metric, each looked up once: `labels` makes texts of its values anew every time. Thread-safe.

    Kept for ever, as the metric itself keeps them.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._known: dict[tuple[str, ...], Metric] = {}

    def of(self, *values: str) -> Metric:
        """That with these values of the labels."""
        known = self._known.get(values)
        if known is None:
            known = self._known[values] = self._metric.labels(*values)
        return known


class BoundedLabels:
    """Label values that clients have a say in, but no more than `most` of them: later ones are `other`. Each is a series for ever,
    in every worker process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, ...]] = set()

    def of(self, values: Iterable[str]) -> tuple[str, ...]:
        """These values, or as many times `other`. Thread-safe: at worst a few more are known."""
        wanted = tuple(values)
        if wanted not in self._known:
            if len(self._known) >= self._most:
                return ("other",) * len(wanted)
            self._known.add(wanted)
        return wanted
