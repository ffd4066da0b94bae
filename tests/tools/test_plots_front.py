"""The drawing of the front: what it shows, in each format."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from planner.findings import Wanted, corner, facts_of, findings, suspect_facts
from protocol.configuration import Account
from protocol.errors import InvalidInput
from tools.measurements.published import read_published
from tools.plots.front import check_front_target, draw_front, scene


@pytest.fixture
def found(make_pool, trials):
    recorded = read_published(make_pool(trials[::2] + trials[-3:], name="simulation_pool_<digits>.csv"))
    return findings(recorded.measurements, recorded.space, Wanted(Account.EDGE_NODE, partial=True))


@pytest.fixture
def facts(found):
    suspects = [suspect_facts(item, found.measurements[item.measurement_index], where="x:1") for item in found.suspects]
    facts = facts_of(found, corner(found, found.measurements))
    return facts | {"method": "compose", "trust_all": False, "suspects": suspects}


def test_every_configuration_is_a_dot_measured_or_composed(found, facts):
    drawn = scene(found, facts)

    assert len(drawn.measured) == facts["measured"]
    assert len(drawn.measured) + len(drawn.composed) == len(found.rows)
    assert all("configuration measured" in dot.title for dot in drawn.measured)
    assert all("configuration composed" in dot.title for dot in drawn.composed)


def test_the_front_and_the_anchors_are_there(found, facts):
    drawn = scene(found, facts)

    latencies = [dot.latency_ms for dot in drawn.front]
    assert latencies == sorted(latencies)
    assert list(drawn.anchors) == ["cloud-only", "edge-only", "fastest", "least energy"]
    assert drawn.anchors["fastest"].latency_ms == latencies[0]
    assert drawn.anchors["least energy"].energy_j == drawn.front[-1].energy_j
    assert "cut 0 @ 1800 MHz" in drawn.anchors["cloud-only"].title


def test_the_caption_says_account_link_and_where_figures_come_from(found, facts):
    caption = scene(found, facts).caption

    for words in ("Account edge_node", "589.4 Mbit/s", "estimated, measured", "method compose"):
        assert words in caption


@pytest.mark.exhaustive
def test_the_picture_the_table_and_the_facts_hold_the_same_front(found, facts, tmp_path):
    better = [replace(row, accuracy=0.6 + 0.3 * (row.configuration.cpu_khz == 600_000)) for row in found.rows]
    found = replace(found, rows=better)
    facts |= facts_of(found, corner(found, found.measurements))

    drawn = scene(found, facts)
    draw_front(found, facts, tmp_path / "front.svg")

    assert [dot.latency_ms for dot in drawn.front] == [row["latency_ms"] for row in facts["front"]]
    above = len(drawn.front) - len(drawn.steps)
    assert above > 0
    assert f"front ({len(drawn.front)}, {above} for accuracy)" in (tmp_path / "front.svg").read_text()


def test_configurations_of_suspects_alone_are_told_apart_from_those_that_are_drawn_as_measured(make_pool):
    slow = {50: {"avg latency edge (ms)": 9000.0, "avg energy edge (J)": 40.0}}
    recorded = read_published(make_pool(changes=slow, name="simulation_pool_digits.csv"))
    found = findings(recorded.measurements, recorded.space, Wanted(Account.EDGE_NODE, partial=True))
    suspects = [suspect_facts(item, found.measurements[item.measurement_index], where="x:1") for item in found.suspects]
    facts = facts_of(found, corner(found, found.measurements))

    drawn = scene(found, facts | {"method": "compose", "trust_all": False, "suspects": suspects})

    assert len(drawn.measured) == facts["measured"] - 1
    assert f"(of 1 only what is suspect: {len(drawn.measured)} are drawn so)" in drawn.caption


@pytest.mark.exhaustive
def test_the_same_findings_give_the_same_bytes(found, facts, tmp_path):
    paths = [tmp_path / f"{name}.html" for name in ("a", "b")]

    for path in paths:
        draw_front(found, facts, path)

    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_svg_is_well_formed_and_says_what_it_shows(found, facts, tmp_path):
    draw_front(found, facts, tmp_path / "front.svg")

    texts = " ".join(ElementTree.parse(tmp_path / "front.svg").getroot().itertext())
    for words in ("cloud-only", "edge-only", "measured (", "composed (", "front (", "accuracy", "Account edge_node"):
        assert words in texts


@pytest.mark.exhaustive
def test_a_png_is_a_png(found, facts, tmp_path):
    draw_front(found, facts, tmp_path / "front.PNG")

    assert (tmp_path / "front.PNG").read_bytes().startswith(b"\x89PNG")


class Page(HTMLParser):
    """What a browser would fetch from elsewhere, and what it would show when the mouse is on something."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.titles: list[str] = []
        self.scripts = 0
        self._in_title = False

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self._in_title = tag == "title"
        self.loaded += [
            value
            for name, value in attributes
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))
        ]

    def handle_endtag(self, _tag):
        self._in_title = False

    def handle_data(self, data):
        if self._in_title:
            self.titles.append(data)


@pytest.mark.exhaustive
def test_a_page_stands_alone_and_tells_every_dot(found, facts, tmp_path):
    draw_front(found, facts, tmp_path / "front.html")
    text = (tmp_path / "front.html").read_text()
    page = Page()
    page.feed(text)

    assert (page.scripts, page.loaded) == (0, [])
    told = [title for title in page.titles if title.startswith("cut ")]
    assert len(told) == len(found.rows)
    assert all(re.search(r"\d ms, .* J, accuracy", title) for title in told)
    assert "#dot" not in text
    assert "&lt;digits&gt;" in text
    assert "<digits>" not in text


@pytest.mark.parametrize("name", ["front.gif", "front", "nowhere/front.svg"])
def test_a_drawing_that_could_not_be_saved_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match=r"--plot|cannot write .*nowhere"):
        check_front_target(tmp_path / name)
