"""A progress bar on stderr; plain lines where stderr is not a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.output import console


class Step(Protocol):
    """Marks steps as done; a note stands beside the title."""

    def __call__(self, count: int = 1, /, note: str = "") -> None: ...


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Step]:
    """Shows how far a loop of `total` steps is; yields the function that marks one or more steps as done."""
    out = console()
    if not out.is_terminal:
        out.print(f"{title}: {total} steps")
        yield _unseen
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(title, total=total)

        def step(count: int = 1, /, note: str = "") -> None:
            bar.update(task, advance=count, description=f"{title} {note}".rstrip())

        yield step


def _unseen(_count: int = 1, /, note: str = "") -> None:
    """A step that nobody watches."""
    del note
