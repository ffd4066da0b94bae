"""Which runner suits this computer and bundle: told from files, never by trying."""

from __future__ import annotations

import logging
import platform
from importlib.util import find_spec
from pathlib import Path

from models.bundle import Bundle
from models.running.edgetpu_runner import EdgeTpuEngine, EdgeTpuLibraries
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.processor import CPUINFO, has_needed_atomics, read_cpuinfo
from models.running.runner import Engine, Runner, SignatureRunner
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput

logger = logging.getLogger(__name__)


def open_runner(
    bundle: Bundle,
    *,
    threads: int = 1,
    cache_dir: Path | None = None,
    memory_bytes: int | None = None,
    cpuinfo: Path = CPUINFO,
    accelerator: EdgeAccelerator = EdgeAccelerator.OFF,
    edgetpu: EdgeTpuLibraries | None = None,
) -> Runner:
    """The runner that suits this computer and bundle. It is opened at the first call, not here.

    `cache_dir` is where packed weights and extracted heads are kept between starts; without one, or where it cannot be
    written, a bundle of many signatures would pack its weights once for each, so the interpreter opens them one at a time
    instead. `memory_bytes` is what the interpreter's open heads and tails may hold together, by default half of what is left.

    With an `accelerator` the bundle's compiled heads run on the Edge TPU, with the library that `edgetpu` names; InvalidInput
    where the bundle has none.
    """
    if threads < 1:
        raise InvalidInput(f"threads must be 1 or more, not {threads}")
    if memory_bytes is not None and memory_bytes < 1:
        raise InvalidInput(f"memory_bytes must be 1 or more, not {memory_bytes}")
    reason = why_not_compiled(cpuinfo) or _without_cache(bundle, cache_dir, cpuinfo)
    if reason:
        engine: Engine = InterpreterEngine(bundle, threads=threads, folder=cache_dir, memory_bytes=memory_bytes)
    else:
        engine = _compiled(bundle, threads, cache_dir, cpuinfo)
    if accelerator is not EdgeAccelerator.OFF:
        libraries = edgetpu or EdgeTpuLibraries()
        engine = EdgeTpuEngine(bundle, engine, accelerator=accelerator, libraries=libraries)
    runner = SignatureRunner(bundle.manifest, engine)
    logger.info("%s runs with %s%s", bundle.manifest.network, runner.runtime, f": {reason}" if reason else "")
    return runner


def _compiled(bundle: Bundle, threads: int, cache_dir: Path | None, cpuinfo: Path) -> Engine:
    cache = weight_cache(bundle, cache_dir, cpuinfo=cpuinfo) if cache_dir else None
    return CompiledEngine(bundle, threads=threads, cache=cache)


def why_not_compiled(cpuinfo: Path) -> str:
    """Why CompiledModel cannot run here; '' where it can. Told from files, never by trying: trying ends the process."""
    package = find_spec("ai_edge_litert")
    if package is None or package.origin is None:
        return "LiteRT is not installed"
    webgpu = (Path(package.origin).parent / "libLiteRtWebGpuAccelerator.so").exists()
    if webgpu and not has_needed_atomics(read_cpuinfo(cpuinfo), platform.machine()):
        return "the CPU has no LSE atomics, which LiteRT's GPU library is compiled for"
    return ""


def _without_cache(bundle: Bundle, cache_dir: Path | None, cpuinfo: Path) -> str:
    """Why weights cannot be packed once for all signatures; '' where they can."""
    obstacle = weight_cache(bundle, cache_dir, cpuinfo=cpuinfo).obstacle() if cache_dir else "no folder given"
    return f"no weight cache ({obstacle})" if obstacle else ""
