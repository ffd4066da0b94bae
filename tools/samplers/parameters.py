"""The space as Optuna's parameters, each of which is searched by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from planner.averages import alone
from planner.space import Space
from protocol.configuration import Configuration

_ORDERED = ("cuts", "clocks_khz", "threads")
_CHOICES = ("codecs", "accelerators", "cloud_accelerators")


@dataclass(frozen=True)
class Parameters:
    """Cuts, clocks and threads by their place in the space's order, accelerators and codecs as choices.

    Not all combinations are configurations: cloud-only has no use for a TPU, edge-only none for cloud and codec. Such a
    combination stands for the configuration that it would run as.
    """

    space: Space

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What may be chosen; a dimension with a single value is not searched."""
        found: dict[str, BaseDistribution] = {}
        for name in _ORDERED:
            if (count := len(self._values(name))) > 1:
                found[name] = IntDistribution(0, count - 1)
        for name in _CHOICES:
            if len(values := self._values(name)) > 1:
                found[name] = CategoricalDistribution([str(value) for value in values])
        return found

    def configuration(self, chosen: Mapping[str, Any]) -> Configuration:
        """The configuration that a choice stands for."""
        space = self.space
        picked = Configuration(
            cut=self._pick("cuts", chosen),
            cpu_khz=self._pick("clocks_khz", chosen),
            edge_accelerator=self._pick("accelerators", chosen),
            cloud_accelerator=self._pick("cloud_accelerators", chosen),
            codec=self._pick("codecs", chosen),
            threads=self._pick("threads", chosen),
        )
        if picked.cut == space.edge_only_cut:
            return alone(picked)
        return picked if picked.cut else self._idle(picked)

    def choice(self, configuration: Configuration) -> dict[str, Any]:
        """A choice that stands for this configuration of the space."""
        values: dict[str, Any] = {
            "cuts": configuration.cut,
            "clocks_khz": configuration.cpu_khz,
            "accelerators": configuration.edge_accelerator,
            "cloud_accelerators": configuration.cloud_accelerator,
            "codecs": configuration.codec,
            "threads": configuration.threads,
        }
        return {name: self._chosen(name, values[name]) for name in self.distributions}

    def _idle(self, picked: Configuration) -> Configuration:
        """The cloud-only configuration of the space at this clock, with this codec and cloud accelerator."""
        return next(
            item
            for item in self._cloud_only
            if (item.cpu_khz, item.codec, item.cloud_accelerator)
            == (picked.cpu_khz, picked.codec, picked.cloud_accelerator)
        )

    @cached_property
    def _cloud_only(self) -> tuple[Configuration, ...]:
        return tuple(item for item in self.space.configurations() if item.cut == 0)

    def _values(self, name: str) -> Sequence[Any]:
        values: Sequence[Any] = getattr(self.space, name)
        return sorted(values) if name in _ORDERED else values

    def _pick(self, name: str, chosen: Mapping[str, Any]) -> Any:
        values = self._values(name)
        if name not in self.distributions:
            return values[0]
        return values[chosen[name]] if name in _ORDERED else type(values[0])(chosen[name])

    def _chosen(self, name: str, value: Any) -> Any:
        values = self._values(name)
        if name in _ORDERED:
            return values.index(value)
        return str(value if value in values else values[0])
