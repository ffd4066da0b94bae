"""The tokens that operators show: the backend's, and a device's own, which its `edge.toml` holds."""

from __future__ import annotations

import argparse
import os

BACKEND, AGENT = "DYNASPLIT_OPERATOR_TOKEN", "DYNASPLIT_AGENT_TOKEN"
"""Variables that hold them. They are two: who holds a device's token can do nothing to the fleet."""


def add_backend_token(parser: argparse._ActionsContainer) -> None:
    """`--token` of verbs that call the backend."""
    parser.add_argument("--token", default=os.environ.get(BACKEND, ""), help=f"operator token (default: {BACKEND})")


def add_agent_token(parser: argparse._ActionsContainer, option: str = "--token") -> None:
    """The option of verbs that call an agent, as `agent_token` where they call the backend too."""
    parser.add_argument(
        option,
        default=os.environ.get(AGENT, ""),
        metavar="TOKEN",
        help=f"operator token of the device (default: {AGENT})",
    )


def agent_token(arguments: argparse.Namespace) -> str:
    """For the agent, where both are called: its own, else the backend's, as in the demo."""
    return str(arguments.agent_token or arguments.token)
