"""Compiling heads for an Edge TPU with Coral's `edgetpu_compiler` (https://coral.ai/docs/edgetpu/compiler/).

It takes one int8 network of one graph and fixed shapes, writes `<name>_edgetpu.tflite` and prints what became of each operator.
Its exit code is not documented: what counts is whether the file is there.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from models.bundle import SIGNATURES, Bundle, write
from models.edgetpu_roles import head_role, head_signature_of, is_head_role
from models.manifest import Manifest
from models.network import tflite
from models.running.extract import extract_file
from protocol.errors import DynaSplitError, InvalidInput, ServiceMissing

COMPILER = "edgetpu_compiler"

HOW_TO_GET_IT = (
    "it comes from Coral's Debian repository, for x86-64 only: apt-get install edgetpu-compiler, after adding "
    "'deb https://packages.cloud.google.com/apt coral-edgetpu-stable main' (on other computers in a container: "
    "docker run --platform linux/amd64 debian)"
)

_MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ROW = re.compile(r"^([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*?)\s*$", re.MULTILINE)
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")
_COMPLAINT = re.compile(
    r"^(?:ERROR: |Compilation failed: |Invalid model: |Model not |Internal compiler error).*$", re.MULTILINE
)
_GRACE_S = 10


class CompilerFailed(DynaSplitError, RuntimeError):
    """The compiler could not compile this head: other heads of the same network may still do."""


@dataclass(frozen=True)
class Fate:
    """What became of operators of one kind, in the compiler's words."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class Report:
    """What the compiler says of one head. Memory in bytes, rounded as it prints it; None where it says nothing."""

    compiler: str
    fates: tuple[Fate, ...]
    on_chip_bytes: int | None
    on_chip_left_bytes: int | None
    off_chip_bytes: int | None

    @property
    def on_tpu(self) -> int:
        """How many operators run on the TPU."""
        return sum(fate.count for fate in self.fates if fate.status == _MAPPED)

    @property
    def on_cpu(self) -> int:
        return sum(fate.count for fate in self.fates) - self.on_tpu

    def to_json(self) -> dict[str, Any]:
        return {
            "compiler": self.compiler,
            "on_tpu": self.on_tpu,
            "on_cpu": self.on_cpu,
            "operators": [vars(fate) for fate in self.fates],
            "on_chip_bytes": self.on_chip_bytes,
            "on_chip_left_bytes": self.on_chip_left_bytes,
            "off_chip_bytes": self.off_chip_bytes,
        }


@dataclass(frozen=True)
class Compiled:
    """One cut's head: its compiled flatbuffer and the report, or why there is none."""

    cut: int
    content: bytes = b""
    report: Report | None = None
    failure: str = ""


def find_compiler(given: Path | None) -> Path:
    """The compiler's path; ServiceMissing, with the way to get it, where it is not installed."""
    found = shutil.which(str(given or COMPILER))
    if found is None:
        raise ServiceMissing(f"{given or COMPILER} is not installed here: {HOW_TO_GET_IT}")
    return Path(found).absolute()


def compilable_cuts(manifest: Manifest, cuts: Sequence[int] | None = None) -> tuple[int, ...]:
    """The cut points whose heads hold int8 work, of those that are asked for (None: all).

    InvalidInput where there is none, with the way to get int8 heads; NotFound for a cut point that the bundle does not have.
    """
    asked = [manifest.cut(cut).index for cut in (manifest.cuts if cuts is None else cuts)]
    found = tuple(cut for cut in asked if cut and _int8_macs(manifest, cut))
    if not found:
        raise InvalidInput(
            f"{manifest.network} has no int8 heads to compile at {', '.join(map(str, asked))}, and an Edge TPU computes in int8 "
            "only: cut an int8 file, or make a mixed bundle with dynasplit cut --quantize-head SAMPLES"
        )
    return found


def compile_heads(
    bundle: Bundle, compiler: Path, cuts: Sequence[int], *, timeout_s: int, step: Callable[[], None] = lambda: None
) -> Iterator[Compiled]:
    """Compiles the head of each cut point. One that fails says why, and the others go on; `step` is called after each."""
    for cut in cuts:
        with tempfile.TemporaryDirectory(prefix="dynasplit-tpu-") as folder:
            try:
                yield _compile_head(bundle, compiler, cut, Path(folder), timeout_s)
            except (CompilerFailed, InvalidInput) as error:
                yield Compiled(cut, failure=str(error))
        step()


def with_compiled_heads(bundle: Bundle, folder: Path, compiled: Sequence[Compiled]) -> Bundle:
    """A bundle with these heads beside what the given one holds, written to `folder`: another manifest, so another id."""
    kept = {
        artifact.role: (artifact.filename, (bundle.folder / artifact.filename).read_bytes())
        for artifact in bundle.manifest.artifacts
    }
    added = {head_role(head.cut): (f"{head_role(head.cut)}.tflite", head.content) for head in compiled if head.content}
    ordered = {role: kept[role] for role in kept if not is_head_role(role)}
    heads = {role: kept[role] for role in kept if is_head_role(role)} | added
    places = {head_role(cut): cut for cut in bundle.manifest.cuts}
    ordered |= dict(sorted(heads.items(), key=lambda item: places.get(item[0], 0)))
    return write(folder, bundle.manifest, ordered)


def compiler_input(flatbuffer: bytes, *, what: str) -> bytes:
    """A head as the compiler takes it: one graph, with only the operator codes in use, without signatures and metadata.

    The compiler holds a TFLite of 2021, which refuses a file for an operator version that it does not know even where nothing
    uses it. InvalidInput for heads that call other graphs.
    """
    model = tflite.parse(flatbuffer, what=what)
    graph = model.subgraphs[0]
    if any(tflite.called_subgraphs(operator) for operator in graph.operators):
        raise InvalidInput("it calls another graph (WHILE, IF or the like), and the compiler takes one graph only")
    used = sorted({operator.opcodeIndex for operator in graph.operators})
    for operator in graph.operators:
        operator.opcodeIndex = used.index(operator.opcodeIndex)
    buffers = sorted({0, *(tensor.buffer for tensor in graph.tensors)})
    for tensor in graph.tensors:
        tensor.buffer = buffers.index(tensor.buffer)
    return tflite.pack(
        schema.ModelT(
            version=model.version,
            operatorCodes=[model.operatorCodes[place] for place in used],
            subgraphs=[graph],
            description=model.description,
            buffers=[tflite.AlignedBuffer(tflite.data_of(model.buffers[number])) for number in buffers],
        )
    )


def _compile_head(bundle: Bundle, compiler: Path, cut: int, folder: Path, timeout_s: int) -> Compiled:
    signature = head_signature_of(bundle.manifest, cut)
    extracted, source = folder / "extracted.tflite", folder / "head.tflite"
    extract_file(bundle.artifact(SIGNATURES), signature, extracted)
    content = compiler_input(extracted.read_bytes(), what=signature)
    inputs = len(tflite.numbers(tflite.parse(content, what=signature).subgraphs[0].inputs))
    if inputs != len(bundle.manifest.inputs):
        raise InvalidInput(
            f"it uses {inputs} of the network's {len(bundle.manifest.inputs)} inputs, which is not supported"
        )
    source.write_bytes(content)
    said = _ask(compiler, source, timeout_s)
    target, log = folder / "head_edgetpu.tflite", folder / "head_edgetpu.log"
    if not target.is_file():
        raise CompilerFailed(_complaint(said))
    report = parse_report(said + "\n" + (log.read_text(errors="replace") if log.is_file() else ""))
    if not report.on_tpu:
        return Compiled(cut, report=report, failure="nothing of it was mapped to the TPU")
    return Compiled(cut, target.read_bytes(), report)


def _ask(compiler: Path, source: Path, timeout_s: int) -> str:
    """All that the compiler prints. `-t` is its own limit; it is killed a little later where it does not heed it."""
    command = [str(compiler), "-s", "-t", str(timeout_s), "-o", str(source.parent), str(source)]
    try:
        with (source.parent / "said").open("w+") as said:
            child = subprocess.Popen(
                command, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
            _wait(child, timeout_s)
            said.seek(0)
            return said.read()
    except OSError as error:
        raise ServiceMissing(f"{compiler} cannot be started: {error.strerror}; {HOW_TO_GET_IT}") from error


def _wait(child: subprocess.Popen[bytes], timeout_s: int) -> None:
    try:
        child.wait(timeout_s + _GRACE_S)
    except subprocess.TimeoutExpired as error:
        raise CompilerFailed(f"the compiler did not come to an end within {timeout_s + _GRACE_S} s") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)  # it compiles in a child process of its own
            child.wait()


def _complaint(said: str) -> str:
    lines = [found.group().strip() for found in _COMPLAINT.finditer(said)]
    last = " ".join(said.split())[-200:]
    return "; ".join(lines)[:400] or f"the compiler left no result and gave no reason: {last or 'it printed nothing'}"


def parse_report(said: str) -> Report:
    """What the compiler printed and logged, read. With `-s` it prints the table that is also in its log."""
    version = _VERSION.search(said)
    rows: Mapping[tuple[str, str], int] = {(name, status): int(count) for name, count, status in _ROW.findall(said)}
    return Report(
        compiler=version.group(1) if version else "",
        fates=tuple(Fate(name, count, status) for (name, status), count in rows.items()),
        on_chip_bytes=_bytes(said, "On-chip memory used for caching model parameters"),
        on_chip_left_bytes=_bytes(said, "On-chip memory remaining for caching model parameters"),
        off_chip_bytes=_bytes(said, "Off-chip memory used for streaming uncached model parameters"),
    )


def _bytes(said: str, name: str) -> int | None:
    found = re.search(rf"{re.escape(name)}:\s*([\d.]+)\s*([KMG]i)?B", said)
    return round(float(found.group(1)) * _UNITS[f"{found.group(2) or ''}B"]) if found else None


def _int8_macs(manifest: Manifest, cut: int) -> int:
    macs = manifest.head_work(cut).macs
    return sum(count for kind, count in macs.items() if kind.endswith("int8"))
