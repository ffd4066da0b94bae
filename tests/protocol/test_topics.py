from __future__ import annotations

import pytest

from protocol import topics
from protocol.errors import InvalidInput


def test_topics_tell_their_device_and_network():
    topic = topics.desired("pi-1", "vgg16")
    assert topic == "dynasplit/v1/pi-1/table/desired/vgg16"
    assert (topics.device_of(topic), topics.network_of(topic)) == ("pi-1", "vgg16")


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "../x", "x" * 65, "-x", "ü"])
def test_names_that_would_break_topics_or_paths_are_refused(name):
    with pytest.raises(InvalidInput, match="letters"):
        topics.telemetry(name) if name != "+" else topics.check_name(name, what="device")


@pytest.mark.parametrize("topic", ["", "dynasplit/v1", "other/v1/pi/state", "dynasplit/v2/pi/state"])
def test_foreign_topics_have_no_device(topic):
    with pytest.raises(InvalidInput):
        topics.device_of(topic)


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_subscriptions_cover_topics_as_in_mqtt(pattern, topic, covered):
    assert topics.matches(pattern, topic) is covered


def test_a_device_may_touch_its_own_topics_only():
    allowed = (*topics.written_by("pi-1"), *topics.read_by("pi-1"))

    assert all("/pi-1/" in topic for topic in allowed if topic != "homeassistant/status")
    assert not set(topics.written_by("pi-1")) & set(topics.read_by("pi-1"))
