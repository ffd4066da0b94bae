"""Words of a verb that asks the backend: `dynasplit rollout start …`, each with its own arguments."""

from __future__ import annotations

import argparse

from tools.output import add_json_argument
from tools.tokens import add_backend_token


def add_word(
    words: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    """A word with what all of them take: the backend's address, the token, and where the facts go as JSON."""
    word = words.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    word.add_argument("--backend", required=True, metavar="URL")
    add_backend_token(word)
    add_json_argument(word)
    return word
