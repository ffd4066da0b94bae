"""What is known of a bundle's accuracy: `accuracy.json` in its folder, and measurements with it filled in.

The file holds values per set of samples, metric and runtime, and for each of them per cut point and element type on the wire. It is
written whole after every cut point, so that an evaluation that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from models.bundle import ACCURACY, MANIFEST, Bundle
from protocol.configuration import Codec
from protocol.documents import canonical_bytes, check_schema, checked, parse_object
from protocol.documents import field as entry_of
from protocol.errors import BundleMismatch, InvalidInput
from protocol.files import read_regular
from protocol.measurement import Measurement

SCHEMA = 1

Values = Mapping[tuple[int, str], float]
"""The metric by cut point and element type (`raw`, `fp16`, `int8`). zstd changes nothing: it gives back what it packed."""

WHOLE = (0, "raw")
"""The whole network in the cloud, with its inputs as they are: what all others are compared with."""


class RecordBroken(InvalidInput):
    """`accuracy.json` is damaged, so what it knew is lost."""


@dataclass(frozen=True)
class Question:
    """What was asked: which samples (their number and sha256), by which metric, computed by which runtime.

    `metric_source` is the sha256 of the user's own code, "" for a metric that comes along.
    """

    samples: int
    samples_digest: str
    metric: str
    metric_source: str
    runtime: str


@dataclass(frozen=True)
class Evaluation:
    """The answers to one question."""

    question: Question
    values: Values = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        results = [
            {"cut": cut, "codec": element, "value": value} for (cut, element), value in sorted(self.values.items())
        ]
        return {**vars(self.question), "results": results}

    @classmethod
    def from_json(cls, content: object, *, what: str) -> Evaluation:
        entry = checked(content, dict, what=what)
        texts = {name: entry_of(entry, name, str, what=what) for name in _TEXTS}
        results = [
            checked(result, dict, what=f"{what}: a result") for result in entry_of(entry, "results", list, what=what)
        ]
        return cls(
            Question(samples=entry_of(entry, "samples", int, what=what), **texts),
            {_place(result, what=what): _share(result, what=what) for result in results},
        )


_TEXTS = ("samples_digest", "metric", "metric_source", "runtime")


@dataclass(frozen=True)
class Accuracies:
    """One evaluation of a bundle, as measurements take it up: from 0 to 1 by cut point and codec."""

    bundle: str
    metric: str
    samples: int
    by_cut_and_codec: Mapping[tuple[int, Codec], float]

    @classmethod
    def of(cls, bundle: str, evaluation: Evaluation) -> Accuracies:
        values = {
            (cut, codec): value
            for (cut, element), value in evaluation.values.items()
            for codec in Codec
            if codec.element == element
        }
        return cls(bundle, evaluation.question.metric, evaluation.question.samples, values)

    def applied_to(self, measurement: Measurement) -> Measurement:
        """The measurement with the accuracy of its cut and codec; unchanged where it has one, or nobody evaluated them.

        BundleMismatch where it was measured with another bundle.
        """
        if measurement.bundle != self.bundle:
            raise BundleMismatch(
                f"the accuracies are of bundle {self.bundle:.12}, the measurements of {measurement.bundle:.12}: "
                "evaluate the bundle that was measured"
            )
        configuration = measurement.configuration
        known = self.by_cut_and_codec.get((configuration.cut, configuration.codec))
        return measurement if measurement.accuracy is not None else replace(measurement, accuracy=known)


@dataclass(frozen=True)
class Record:
    """The content of `accuracy.json`: all evaluations of one bundle, the latest last."""

    bundle: str
    evaluations: tuple[Evaluation, ...] = ()

    def answer(self, question: Question) -> Evaluation:
        """What is known already; without values where nobody asked yet."""
        return next((known for known in self.evaluations if known.question == question), Evaluation(question))

    def without(self, question: Question) -> Record:
        return replace(self, evaluations=tuple(known for known in self.evaluations if known.question != question))

    def with_values(self, question: Question, values: Values) -> Record:
        """The record with more values for a question."""
        grown = Evaluation(question, {**self.answer(question).values, **values})
        return replace(self, evaluations=(*self.without(question).evaluations, grown))

    def accuracies(self, metric: str = "top1") -> Accuracies:
        """By this metric, from the evaluation with the most samples (of several the latest); InvalidInput where nobody
        evaluated by it."""
        fitting = [known for known in self.evaluations if known.question.metric == metric]
        if not fitting:
            there = ", ".join(self.metrics) or "nothing"
            raise InvalidInput(f"bundle {self.bundle:.12} was not evaluated by metric {metric}, but by {there}")
        return Accuracies.of(self.bundle, max(reversed(fitting), key=lambda known: known.question.samples))

    @property
    def metrics(self) -> tuple[str, ...]:
        """What the bundle was evaluated by."""
        return tuple(sorted({known.question.metric for known in self.evaluations}))

    def to_json(self) -> dict[str, Any]:
        evaluations = [evaluation.to_json() for evaluation in self.evaluations]
        return {"schema": SCHEMA, "bundle": self.bundle, "evaluations": evaluations}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, what: str = "accuracies") -> Record:
        check_schema(content, current=SCHEMA, what=what)
        return cls(
            bundle=entry_of(content, "bundle", str, what=what),
            evaluations=tuple(
                Evaluation.from_json(entry, what=f"{what}: an evaluation")
                for entry in entry_of(content, "evaluations", list, what=what)
            ),
        )


def read_record(path: Path) -> Record:
    """The record in a file, or in a bundle's folder. InvalidInput where there is none or it is of a newer DynaSplit,
    RecordBroken where it is damaged."""
    path = path / ACCURACY if path.is_dir() else path
    try:
        content = read_regular(path)
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} does not exist: run dynasplit evaluate first") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = parse_object(content, what=str(path))
        schema = document.get("schema")
        if not isinstance(schema, int) or schema <= SCHEMA:
            return Record.from_json(document, what=str(path))
    except InvalidInput as error:
        raise RecordBroken(f"{error}: evaluate again, or bring the file back") from error
    return Record.from_json(document, what=str(path))


def known_of(bundle: Bundle) -> Record:
    """What is known of a bundle, nothing where nobody evaluated it. BundleMismatch where the file is of another one."""
    if not (bundle.folder / ACCURACY).exists():
        return Record(bundle.digest)
    record = read_record(bundle.folder)
    if record.bundle != bundle.digest:
        raise BundleMismatch(
            f"{bundle.folder / ACCURACY} is of bundle {record.bundle:.12}, not {bundle.digest:.12}: remove it"
        )
    return record


def amend(bundle: Bundle, change: Callable[[Record], Record]) -> None:
    """Changes what is known of a bundle, in one durable step; several processes may do so at the same time.

    BundleMismatch where the folder holds another bundle by now; InvalidInput where it cannot be written.
    """
    try:
        with _alone(bundle.folder):
            found = hashlib.sha256((bundle.folder / MANIFEST).read_bytes()).hexdigest()
            if found != bundle.digest:
                raise BundleMismatch(
                    f"{bundle.folder} holds bundle {found:.12} by now, not {bundle.digest:.12}: start again"
                )
            _replace(bundle.folder / ACCURACY, canonical_bytes(change(known_of(bundle)).to_json()))
    except OSError as error:
        raise InvalidInput(f"{bundle.folder / ACCURACY} cannot be written: {error.strerror}") from error


class Journal(Protocol):
    """Where the values of one evaluation are kept while they are found."""

    @property
    def known(self) -> Values:
        """All that was found up to now."""
        ...

    def keep(self, values: Values) -> None: ...


class Unwritten:
    """A journal that is gone with the process."""

    def __init__(self) -> None:
        self.known: Values = {}

    def keep(self, values: Values) -> None:
        self.known = {**self.known, **values}


class BundleJournal:
    """A journal in the bundle's folder. BundleMismatch and InvalidInput as in `amend`."""

    def __init__(self, bundle: Bundle, question: Question) -> None:
        self.known = known_of(bundle).answer(question).values
        self._bundle = bundle
        self._question = question

    def keep(self, values: Values) -> None:
        self.known = {**self.known, **values}
        amend(self._bundle, lambda record: record.with_values(self._question, values))


def set_aside(folder: Path) -> Path:
    """Keeps a damaged file under another name; which."""
    path = folder / ACCURACY
    names = (path.with_name(f"{ACCURACY}.damaged{number or ''}") for number in range(10**6))
    aside = next(name for name in names if not name.exists())
    try:
        return path.rename(aside)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be renamed: {error.strerror}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: a lock on the folder itself, so that no lock file stays behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, content: bytes) -> None:
    """The caller is alone, so one temporary name serves; what a kill leaves of it is overwritten next time."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _place(result: Mapping[str, Any], *, what: str) -> tuple[int, str]:
    return entry_of(result, "cut", int, what=what), entry_of(result, "codec", str, what=what)


def _share(result: Mapping[str, Any], *, what: str) -> float:
    value: float = entry_of(result, "value", float, what=what)
    if not 0 <= value <= 1:
        raise InvalidInput(f"{what}: a value must lie between 0 and 1, not {value}")
    return value
