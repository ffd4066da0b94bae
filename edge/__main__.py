"""Where the agent's process begins: until it has loaded what can end it well, an interrupt ends it at once, without a word."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """`dynasplit-edge`: see `edge.process.main`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is open yet; Python's own would print where it was
    from edge.process import main as process

    return process(argv)


if __name__ == "__main__":
    sys.exit(main())
