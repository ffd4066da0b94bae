"""Labels of devices."""

from __future__ import annotations

import pytest

from protocol.errors import InvalidInput
from protocol.labels import MOST, check_labels, parse_labels


def test_labels_are_read_from_their_texts():
    assert parse_labels(["site=north", "kind=camera", "site=north"]) == {"site": "north", "kind": "camera"}


@pytest.mark.parametrize("texts", [["site"], ["=north"], ["site="], ["a b=c"], ["site=a=b"], ["site=a", "site=b"]])
def test_what_is_no_label_is_refused(texts):
    with pytest.raises(InvalidInput):
        parse_labels(texts)


@pytest.mark.parametrize("labels", [{"site": 1}, {"": "x"}, {"a/b": "x"}, {f"k{n}": "v" for n in range(MOST + 1)}])
def test_labels_that_no_device_can_have_are_refused(labels):
    with pytest.raises(InvalidInput):
        check_labels(labels)
