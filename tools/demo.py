"""Watch DynaSplit do its whole job on this machine, with every real part in place but the device, which is emulated.

It starts a broker, the backend, ingest and an agent on an emulated Raspberry Pi 4; cuts a trained network; profiles it; computes
the table of configurations; signs and pushes it; serves the same requests with five strategies; and says what each cost.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from models.zoo import load_digits_vgg
from protocol.errors import DynaSplitError, InvalidInput
from tools import demo_report, story
from tools.output import add_json_argument, check_json_target, console, write_json, write_text
from tools.stack import Stack

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

SUMMARY = "watch the whole job on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--requests", type=int, default=100, metavar="N", help="requests per strategy (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep everything here; a temporary folder by default")
    parser.add_argument("--keep-running", action="store_true", help="leave everything up until Ctrl-C")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.requests < 1:
        raise InvalidInput(f"--requests must be 1 or more, not {arguments.requests}")
    check_json_target(arguments.json)
    _listen_to_signals()
    out = console()
    if arguments.data:
        return _in_folder(arguments.data.absolute(), arguments, out)
    return _in_temporary_folder(arguments, out)


def _in_temporary_folder(arguments: argparse.Namespace, out: Console) -> int:
    """The folder goes when all went well or the user ended it; after a failure it stays, with all logs in it."""
    folder = Path(tempfile.mkdtemp(prefix="dynasplit-demo-"))
    try:
        code = _in_folder(folder, arguments, out)
    except (KeyboardInterrupt, BrokenPipeError):
        shutil.rmtree(folder)
        raise
    except DynaSplitError:
        out.print(f"kept for inspection: {folder}", soft_wrap=True)
        raise
    if code == 0:
        shutil.rmtree(folder)
    else:
        out.print(f"kept for inspection: {folder}", soft_wrap=True)
    return code


def _in_folder(folder: Path, arguments: argparse.Namespace, out: Console) -> int:
    with Stack(folder, device=story.DEVICE, board=story.BOARD, node=story.NODE) as stack:
        facts = story.play(stack, requests=arguments.requests, out=out)
        write_json(arguments.json, facts, mode=0o600)
        demo_report.show(facts, out)
        if arguments.keep_running:
            _stay(stack, out)
    return 0 if facts["complete"] else 1


def _stay(stack: Stack, out: Console) -> None:
    """Prints where everything is, and waits for Ctrl-C."""
    example = stack.data_dir / "example-request.json"
    write_text(example, json.dumps(_example_request()))
    out.print(f"backend {stack.backend.url}   agent {stack.agent.url}   operator token {stack.token}", soft_wrap=True)
    out.print("try it, for instance:")
    url = f"{stack.agent.url}/v2/models/digits_vgg/infer"
    out.print(f"  curl -s {url} -d @{example}", soft_wrap=True, highlight=False)
    out.print("everything stays up until Ctrl-C")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        out.print("stopping")


def _example_request() -> dict[str, Any]:
    """One image with a deadline, as plain JSON of the Open Inference Protocol."""
    network = load_digits_vgg("fp32")
    image = network.input(story.EVALUATION_SAMPLES)
    tensor = {"name": "image", "datatype": "FP32", "shape": list(image.shape), "data": image.ravel().tolist()}
    return {"inputs": [tensor], "parameters": {"deadline_ms": 60}}


def _listen_to_signals() -> None:
    """A request to end, or a closed terminal, ends the demo as Ctrl-C does; under nohup a closed terminal does not."""
    for number in _ENDING:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """The first signal ends the demo; while it ends, in order, further ones change nothing."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    from tools.cli import main

    raise SystemExit(main(["demo", *sys.argv[1:]]))
