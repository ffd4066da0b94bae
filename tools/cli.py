"""`dynasplit <verb>`: finds the verb's module, parses, and turns errors into one line and an exit code.

Exit codes: 0 good; 1 a check failed; 2 bad input or refused; 3 proven infeasible; 4 a service is missing; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from protocol.errors import DynaSplitError, ServiceMissing
from tools.output import check_paths

VERBS = {
    "demo": "tools.demo",
    "inspect": "tools.inspect_network",
    "convert": "tools.convert",
    "cut": "tools.cut",
    "compile-tpu": "tools.compile_tpu",
    "evaluate": "tools.evaluate",
    "profile": "tools.profile_device",
    "optimize": "tools.optimize",
    "simulate": "tools.simulate",
    "make-cluster": "tools.make_cluster",
    "plan-cluster": "tools.plan_cluster",
    "keys": "tools.keys",
    "certs": "tools.certs",
    "token": "tools.access_tokens",
    "audit": "tools.audit",
    "table": "tools.table",
    "push": "tools.push",
    "cloud-env": "tools.cloud_env",
    "rollout": "tools.rollout",
    "enroll": "tools.enroll",
    "job": "tools.job",
    "doctor": "tools.doctor",
    "infer": "tools.infer",
    "explain": "tools.explain",
    "report": "tools.report",
    "bench": "tools.bench",
}
"""Each module has SUMMARY, add_arguments(parser) and run(arguments) -> exit code."""

_EXTRAS = {"demo": "demo", "convert": "convert", "enroll": "edge", "infer": "edge", "doctor": "edge"}
"""The smallest extra that a verb needs, where it is not `tools`."""

_OWN = ("cloud", "edge", "hardware", "models", "planner", "protocol", "tools")
"""That one of these is missing is no matter of what was installed."""

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser(words).parse_args(words)
        check_paths(arguments)
        level = logging.DEBUG if arguments.verbose else logging.WARNING
        logging.basicConfig(level=level, format="%(name)s: %(message)s")
        return int(arguments.run(arguments))
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit {' '.join(words[:1])}: {error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] in _OWN:
            raise
        sys.stderr.write(f"dynasplit {' '.join(words[:1])}: {_missing(words[0], error)}\n")
        return ServiceMissing.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on: what is still buffered goes nowhere, instead of failing once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser with the one verb that was asked for, or with all of them for the help text; ModuleNotFoundError where that
    verb's extra is not installed."""
    parser = argparse.ArgumentParser(
        prog="dynasplit",
        description="Runs neural networks partly on devices, partly in the cloud, in time, for least energy.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    if words and words[0] in VERBS:
        _add(verbs, words[0], importlib.import_module(VERBS[words[0]]))
        return parser
    for verb, name in VERBS.items():
        try:
            _add(verbs, verb, importlib.import_module(name))
        except ModuleNotFoundError as error:
            verbs.add_parser(verb, help=f"(not installed here: needs '{error.name}')")
    return parser


def _missing(verb: str, error: ModuleNotFoundError) -> str:
    return f"needs the package '{error.name}', which is not installed: pip install '.[{_EXTRAS.get(verb, 'tools')}]'"


def _add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: str, module: ModuleType) -> None:
    parser = verbs.add_parser(verb, help=module.SUMMARY, description=module.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens, step by step")
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


if __name__ == "__main__":
    raise SystemExit(main())
