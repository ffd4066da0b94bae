"""Runs a command that ends when its parent does, so that nothing is orphaned when the parent is killed.

    python -m tools.supervised COMMAND ARG …

On Linux the kernel sends SIGTERM when the parent dies (prctl(2), PR_SET_PDEATHSIG); it survives execve. Elsewhere the command
runs without that guard.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit(1)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command replaces this process on purpose


if __name__ == "__main__":
    main()
