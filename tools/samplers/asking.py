"""A campaign led by one of Optuna's samplers: it suggests, we measure, it is told.

As DynaSplit's authors ran theirs (arXiv 2410.23881; `moop_solver.py` in hpc-tuwien/SPLINTER), a suggestion that has
been measured before is pruned; other than there, one that cannot be is mapped to the configuration it would run as.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from planner.searching.campaign import Aim, Campaign, objectives
from protocol.configuration import Configuration
from tools.samplers.parameters import Parameters
from tools.samplers.shared import SharedLedger

REPEATS = 10
"""So many suggestions in a row that are known already, then one unknown configuration is taken by chance."""

_DIRECTIONS = (optuna.study.StudyDirection.MINIMIZE,) * 2


@dataclass(frozen=True)
class Sampled:
    """A `planner.searching.campaign.Method`: `tpe`, `gp` or `nsga3`, on latency and energy of the aim's account.

    With a shared ledger all its workers take part in one study, each with chance of its own. ServiceMissing when that
    ledger's database goes away, ModuleNotFoundError where what a method needs is not installed.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name == "gp":
            import tools.samplers.gaussian  # noqa: F401  (it takes longer to import than all the rest)

    def __call__(self, campaign: Campaign, aim: Aim) -> None:
        parameters = Parameters(campaign.space)
        with _quiet(), _database_told(campaign):
            study = _study(campaign, _sampler(self.name, parameters, _seed(campaign, aim)))
            rng = np.random.default_rng(_seed(campaign, aim))
            repeats = 0
            while campaign.left:
                if repeats >= REPEATS:
                    if (unknown := _unknown(campaign, rng)) is None:
                        continue  # others have measured the last of the space meanwhile
                    study.enqueue_trial(parameters.choice(unknown))
                known = _one_trial(campaign, aim, study, parameters)
                repeats = repeats + 1 if known and repeats < REPEATS else 0


def _one_trial(campaign: Campaign, aim: Aim, study: optuna.Study, parameters: Parameters) -> bool:
    """Asks, measures and tells; whether the suggestion was known, or taken by another worker."""
    optuna.storages.fail_stale_trials(study)
    trial = study.ask(parameters.distributions)
    configuration = parameters.configuration(trial.params)
    if configuration in campaign.known:
        study.tell(trial, state=TrialState.PRUNED)
        return True
    with _alive(campaign, trial):
        found = campaign.measure(configuration)
    with suppress(UpdateFinishedTrialError):  # others took this worker for dead, and gave its trial up
        if found:
            study.tell(trial, np.median([objectives(item, aim.account) for item in found], axis=0).tolist())
        else:
            study.tell(trial, state=TrialState.PRUNED if found is None else TrialState.FAIL)
    return found is None


def _unknown(campaign: Campaign, rng: np.random.Generator) -> Configuration | None:
    """One that nobody has measured, by chance; None where all was."""
    known = campaign.known
    unknown = [item for item in campaign.space.configurations() if item not in known]
    return unknown[rng.integers(len(unknown))] if unknown else None


def _sampler(name: str, parameters: Parameters, seed: int) -> BaseSampler:
    if name == "gp":
        from tools.samplers.gaussian import GaussianSampler

        return GaussianSampler(parameters, seed=seed)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.NSGAIIISampler(seed=seed)


def _study(campaign: Campaign, sampler: BaseSampler) -> optuna.Study:
    ledger = campaign.ledger
    if isinstance(ledger, SharedLedger):
        return optuna.create_study(
            study_name=ledger.study,
            storage=ledger.optuna_storage(),
            sampler=sampler,
            directions=_DIRECTIONS,
            load_if_exists=True,
        )
    return optuna.create_study(sampler=sampler, directions=_DIRECTIONS)


def _seed(campaign: Campaign, aim: Aim) -> int:
    ledger = campaign.ledger
    return aim.seed + ledger.worker_number if isinstance(ledger, SharedLedger) else aim.seed


@contextmanager
def _alive(campaign: Campaign, trial: Trial) -> Iterator[None]:
    """Where workers share the study, says that this one is alive while it measures."""
    ledger = campaign.ledger
    if not isinstance(ledger, SharedLedger):
        yield
        return
    storage = ledger.optuna_storage()
    study = storage.get_study_id_from_name(ledger.study)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study, trial.number)
    with ledger.telling(lambda: storage.record_heartbeat(trial_id)):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage")  # which beats here as well
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _database_told(campaign: Campaign) -> AbstractContextManager[None]:
    return campaign.ledger.telling_faults() if isinstance(campaign.ledger, SharedLedger) else nullcontext()
