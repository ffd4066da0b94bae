"""The report for people: a table with provenance in its caption, and a sentence on what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST_LINES = 40
"""More lines than a screen holds are in the JSON, and only counted here."""

_MOST_REASONS = 8
_NAMES_WIDTH = 17
_UNITS = ((1.0, "kWh"), (1e-3, "Wh"), (1e-6, "mWh"), (1e-9, "µWh"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))

Facts = Mapping[str, Any]


def show(facts: Facts, out: Console) -> None:
    """Prints the report."""
    out.print(_table(facts))
    out.print(f"[bold]{escape(sentence(facts))}[/]")
    for line in remarks(facts):
        out.print(escape(line))


def sentence(facts: Facts) -> str:
    """What was saved, or that nobody can know."""
    total, against = facts["total"], facts["against"]
    if total["saved_share"] is None:
        alone = total["fallbacks"] == total["answers"] > 0
        why = "no answer came about as chosen" if alone else f"what {against} would have spent is unknown"
        return f"{_spent(facts)}; {why}."
    saved = total["saved_kwh"]
    part = total["compared_answers"] < total["answers"]
    ours = facts["strategy"]
    who = f"On {total['compared_answers']:,} of {total['answers']:,} answers {ours}" if part else ours
    told = f"{_percent(abs(total['saved_share']))} {'less' if saved >= 0 else 'more'} than {against} would have"
    money = f", {amount(abs(total['money']['saved']), facts['currency'])}" if total["money"] else ""
    rest = f"; {_not_compared(facts)}" if part else ""
    return f"{who} spent {told}: {energy(abs(saved))}{money}{rest}."


def remarks(facts: Facts) -> list[str]:
    """What else a reader must know to read the table right."""
    total = facts["total"]
    said = [_deadlines(facts)] if total["with_deadline"] else ["No request had a deadline, so none could be late."]
    if total["saved_kwh"] is not None:
        said.append(_how_sure(facts))
    if total["fallbacks"]:
        said.append(
            f"{_count(total['fallbacks'], 'answer')} not come about as chosen (the cloud or the runner failed); what the "
            "cloud spent on them in vain is not known and not counted. What was saved leaves them out, and "
            f"{facts['against']}'s own likewise."
        )
    if facts["not_counted"]:
        others = ", ".join(f"{count:,} {name}" for name, count in facts["not_counted"].items())
        said.append(f"Not counted as {facts['strategy']}'s: {others}.")
    if facts["silent_devices"]:
        said.append(f"Without a request of {facts['strategy']} in this period: {', '.join(facts['silent_devices'])}.")
    return said + _reasons(facts)


def energy(kwh: float) -> str:
    """With the unit that suits it."""
    size, unit = scale(kwh)
    return f"{figure(kwh / size)} {unit}"


def scale(kwh: float) -> tuple[float, str]:
    """The unit in which an energy is at least 1, with its size in kWh."""
    return next(((size, unit) for size, unit in _UNITS if abs(kwh) >= size), _UNITS[-1] if kwh else _UNITS[0])


def amount(money: float, currency: str) -> str:
    """Money; small amounts are not rounded away."""
    digits = f"{money:,.2f}" if abs(money) >= 0.1 or not money else f"{money:.2g}"
    return f"{digits} {currency}".rstrip()


def figure(value: float) -> str:
    """Three digits that count."""
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}"


def _table(facts: Facts) -> Table:
    table = Table(
        title=escape(f"{facts['period']} UTC, from {facts['source']}"),
        caption=escape(_caption(facts)),
        caption_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    total = facts["total"]
    size, unit = scale(max(total["spent_kwh"], total["baseline_kwh"] or 0.0))
    table.add_column(f"device, network\n[dim]  {facts['against']} from[/]", overflow="fold", min_width=_NAMES_WIDTH)
    against = facts["against"].replace("-", "-\n")
    headings = ["answers", "late", "refu-\nsed", "sent", f"spent\n{unit}", f"{against}\n{unit}", f"saved\n{unit}"]
    for heading in [*headings, *([f"saved\n{facts['currency']}".strip()] if total["money"] else [])]:
        table.add_column(escape(heading), justify="right", no_wrap=True)
    _add_rows(table, facts, lambda sums: _cells(sums, size))
    return table


def _add_rows(table: Table, facts: Facts, cells: Callable[[Facts], list[str]]) -> None:
    """Lines, then what several of one device or one network come to, then all."""
    lines, devices, networks = facts["lines"], facts["devices"], facts["networks"]
    for line in lines[:MOST_LINES]:
        basis = line["baseline"]
        told = basis["told"] if basis["from"] != "unknown" else "unknown"
        table.add_row(f"{escape(line['device'])}, {escape(line['network'])}\n[dim]  {told}[/]", *cells(line))
    if len(lines) > MOST_LINES:
        table.add_row(f"… {len(lines) - MOST_LINES} more")
    table.add_section()
    several = Counter(name for line in lines for name in {line["device"], line["network"]})
    if len(networks) > 1:
        for name in [name for name in devices if several[name] > 1][:MOST_LINES]:
            table.add_row(escape(f"{name}, all"), *cells(devices[name]))
    if len(devices) > 1:
        for name in [name for name in networks if several[name] > 1][:MOST_LINES]:
            table.add_row(escape(f"all, {name}"), *cells(networks[name]))
    if len(lines) > 1:
        table.add_row("all", *cells(facts["total"]), style="bold")


def _cells(sums: Facts, size: float) -> list[str]:
    money = sums["money"]
    mark = "*" if sums["compared_answers"] < sums["answers"] else ""
    return [
        f"{sums['answers']:,}",
        f"{sums['late']:,}",
        f"{sums['refused']:,}",
        _bytes(sums["sent_bytes"]),
        figure(sums["spent_kwh"] / size),
        *("–" if sums[name] is None else figure(sums[name] / size) + mark for name in ("baseline_kwh", "saved_kwh")),
        *(["–" if money["saved"] is None else amount(money["saved"], "") + mark] if money else []),
    ]


def _caption(facts: Facts) -> str:
    kinds = facts["total"]["provenance"]
    told = {name: " + ".join(kinds[name]) or "none" for name in kinds}
    price = facts["price_per_kwh"]
    each = f"{price:g} {facts['currency']}".rstrip() if price is not None else ""
    money = f" Money: {each} per kWh, as given." if each else ""
    partly = 0 < facts["total"]["compared_answers"] < facts["total"]["answers"]
    return (
        f"Energy of account {facts['account']}, totals.{money}\n"
        f"spent: {told['spent_kwh']}; {facts['against']}: {told['baseline_kwh']};\n"
        f"late: {told['late']}; sent: {told['sent_bytes']} (bytes of requests)."
        + (f"\n*: only of answers as chosen for which {facts['against']}'s share is known." if partly else "")
    )


def _deadlines(facts: Facts) -> str:
    total, against = facts["total"], facts["against"]
    said = (
        f"{facts['strategy']} missed {total['violations']:,} of {total['with_deadline']:,} deadlines "
        f"({_percent(total['violations'] / total['with_deadline'])}, refusals included)"
    )
    own = total["baseline_with_deadline"]
    if not own:
        return f"{said}; how many {against} would have missed is unknown: none of its own requests had a deadline."
    missed = total["baseline_violations"]
    return f"{said}, {against} {missed:,} of its own {own:,} ({_percent(missed / own)})."


def _how_sure(facts: Facts) -> str:
    total, against = facts["total"], facts["against"]
    bases = {line["baseline"]["from"] for line in facts["lines"] if line["compared_answers"]}
    if bases == {"requests"}:
        count = sum(line["baseline"]["requests"] for line in facts["lines"] if line["compared_answers"])
        error = total["baseline_error_kwh"]
        spread = f", ± {energy(error)} (standard error)" if error is not None else ", too few to tell how exact"
        return f"{against}: the mean of {count:,} requests that ran so, times our answers{spread}."
    if bases == {"table"}:
        return f"{against}: estimated from the device's table, at the link of its profiling, times our answers."
    return f"{against}: for some lines the mean of requests that ran so, for others an estimate from a table; see each line."


def _reasons(facts: Facts) -> list[str]:
    unknown = [line for line in facts["lines"] if line["baseline"]["from"] == "unknown"]
    reasons = [f"{line['device']} {line['network']}: {line['baseline']['told']}." for line in unknown[:_MOST_REASONS]]
    if len(unknown) > _MOST_REASONS:
        reasons.append(f"… and {len(unknown) - _MOST_REASONS} more.")
    return reasons


def _not_compared(facts: Facts) -> str:
    """Why some answers are not compared."""
    unknown = any(line["baseline"]["from"] == "unknown" and line["answers"] for line in facts["lines"])
    reasons = ["did not come about as chosen"] * bool(facts["total"]["fallbacks"]) + [
        f"ran where what {facts['against']} would have spent is unknown"
    ] * unknown
    return f"the others {' or '.join(reasons)}"


def _spent(facts: Facts) -> str:
    total = facts["total"]
    money = f", {amount(total['money']['spent'], facts['currency'])}" if total["money"] else ""
    return f"{facts['strategy']} spent {energy(total['spent_kwh'])}{money}"


def _count(count: int, noun: str) -> str:
    return f"1 {noun} did" if count == 1 else f"{count:,} {noun}s did"


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:,.0f} %" if percent >= 10 or not percent else f"{percent:.2g} %"


def _bytes(count: int) -> str:
    size, unit = next(((size, unit) for size, unit in _BYTES if count >= size), _BYTES[-1])
    return f"{figure(count / size) if size > 1 else count} {unit}"
