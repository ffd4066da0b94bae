"""Findings for people, on stderr: tables where the package `rich` is there, plain columns where it is not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log
from pathlib import Path
from typing import Any

from protocol.link import Link

_SUSPECTS_SHOWN = 15
_COMPOSED = "; ~: composed of parts that were measured in other configurations"
_LEFT = ("tpu", "cloud", "codec")


def show(facts: Mapping[str, Any], output: Path | None) -> None:
    """The front, how it came about, and the suspects."""
    link = Link.from_json(facts["link"])
    kinds = sorted({kind for row in facts["front"] for sort in row["provenance"].values() for kind in sort})
    _grid(
        f"{facts['network']} on {facts['device']}: what is worth using, energy of account {facts['account']}",
        ("cut", "MHz", "tpu", "cloud", "codec", "threads", "ms", "mJ", "accuracy"),
        [_cells(row) for row in facts["front"]],
        caption=(
            f"link: {link.rtt_ms:.1f} ms, {link.up_bytes_per_ms * 8e-3:.1f} Mbit/s up, "
            f"{link.down_bytes_per_ms * 8e-3:.1f} Mbit/s down; figures are {', '.join(kinds) or 'of unknown kind'}"
            f"{_COMPOSED if any(not row['measured'] for row in facts['front']) else ''}"
        ),
    )
    _say(
        f"{facts['measured']} configurations measured{_suspect_alone(facts)}, "
        f"{facts['space'] - facts['left_out']} of {facts['space']} priced, "
        f"{facts['table_rows']} kept for all links and accounts{f' in {output}' if output else ''} "
        f"({facts['seconds']:.2f} s)"
    )
    _show_suspects(facts)
    for count, what in (
        (facts["skipped"], "lines cannot be"),
        (facts["throttled"], "measurements were throttled"),
        (facts["left_out"], _left_out(facts)),
    ):
        if count:
            _say(f"{count} {what}, and were left out", warn=True)


def _suspect_alone(facts: Mapping[str, Any]) -> str:
    lost = facts["measured"] - facts["measured_soundly"]
    return f" ({lost} of them by suspects alone)" if lost else ""


def _left_out(facts: Mapping[str, Any]) -> str:
    return "configurations are not covered" if facts["method"] == "compose" else "configurations were not measured"


def note(text: str) -> None:
    """One line that should be seen."""
    _say(text, warn=True)


@contextmanager
def steps(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar where `rich` is there, else one line; each step may note how things stand."""
    try:
        from tools.progress import progress
    except ModuleNotFoundError:
        _say(f"{title}: {total} steps")
        yield lambda _note: None
        return
    with progress(title, total) as step:
        yield lambda note: step(1, note=note)


def _show_suspects(facts: Mapping[str, Any]) -> None:
    suspects = sorted(facts["suspects"], key=lambda item: -abs(log(item["ratio"])))
    if not suspects:
        return
    fate = "trusted all the same" if facts["trust_all"] else "left out"
    shown = suspects[:_SUSPECTS_SHOWN]
    more = f"; the {len(shown)} that are off most (all of them: --json)" if len(shown) < len(suspects) else ""
    _say(f"{len(suspects)} figures contradict the rest, and their measurements were {fate}{more}:", warn=True)
    for suspect in shown:
        _say(f"  {_suspect(suspect)}")


def _suspect(suspect: Mapping[str, Any]) -> str:
    at = suspect["configuration"]
    place = suspect["where"].rpartition(":")[2].strip()
    return (
        f"{f'line {place}' if place.isdigit() else place}: cut {at['cut']} @ {at['cpu_khz'] / 1000:.0f} MHz, "
        f"tpu {at['edge_accelerator']}, cloud {at['cloud_accelerator']}: {suspect['figure']} {suspect['recorded']:.1f}, "
        f"expected {suspect['expected']:.1f} (x {suspect['ratio']:.2f}): {suspect['cause']}"
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    configuration, mark = row["configuration"], "" if row["measured"] else "~"
    return (
        str(configuration["cut"]),
        f"{configuration['cpu_khz'] / 1000:.0f}",
        configuration["edge_accelerator"],
        configuration["cloud_accelerator"],
        configuration["codec"],
        str(configuration["threads"]),
        f"{mark}{row['latency_ms']:.1f}",
        f"{mark}{row['energy_mj']:.1f}",
        "unknown" if row["accuracy"] is None else f"{row['accuracy']:.3f}",
    )


def _grid(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> None:
    try:
        from rich.markup import escape
        from rich.table import Table as Grid

        from tools.output import console

        out = console()
    except ModuleNotFoundError:
        sys.stderr.write("\n".join(_plain(title, headings, rows, caption)) + "\n")
        return
    grid = Grid(title=escape(title), caption=escape(caption))
    for heading in headings:
        grid.add_column(heading, justify="left" if heading in _LEFT else "right")
    for row in rows:
        grid.add_row(*map(escape, row))
    out.print(grid)


def _plain(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Iterator[str]:
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    yield title
    for line in lines:
        cells = zip(headings, line, widths, strict=True)
        yield "  ".join(
            text.ljust(width) if heading in _LEFT else text.rjust(width) for heading, text, width in cells
        ).rstrip()
    yield caption


def _say(text: str, *, warn: bool = False) -> None:
    try:
        from rich.markup import escape

        from tools.output import console

        out = console()
    except ModuleNotFoundError:
        sys.stderr.write(text + "\n")
        return
    out.print(f"[yellow]{escape(text)}[/]" if warn else escape(text))
