from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.documents import canonical_bytes, check_schema, checked, digest_of, field, parse_object
from protocol.errors import InvalidInput


def test_the_canonical_form_does_not_depend_on_the_order_of_keys():
    assert canonical_bytes({"b": 1, "a": [1.5, "ü"]}) == canonical_bytes({"a": [1.5, "ü"], "b": 1})


def test_a_digest_changes_with_any_value():
    assert digest_of({"a": 1}) != digest_of({"a": 2})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_json_cannot_say_has_no_canonical_form(value):
    with pytest.raises((InvalidInput, TypeError)):
        canonical_bytes({"a": value})


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[1]", b"null", b'{"a": NaN}', b'{"a": Infinity}', b"\xff\xfe", b"[" * 100_000),
        *(b'{"a": 1e999}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": "\xed\xa0\x80"}'),
    ],
)
def test_only_json_objects_with_finite_numbers_parse(text):
    with pytest.raises(InvalidInput, match="greeting"):
        parse_object(text, what="greeting")


def test_the_schema_before_is_read_and_a_newer_one_refused_by_number():
    assert check_schema({"schema": 2}, current=3, what="table") == 2
    with pytest.raises(InvalidInput, match="schema 4, newer than 3"):
        check_schema({"schema": 4}, current=3, what="table")
    with pytest.raises(InvalidInput, match="too old"):
        check_schema({"schema": 1}, current=3, what="table")


def test_a_missing_field_is_named():
    with pytest.raises(InvalidInput, match="row lacks 'cut'"):
        field({}, "cut", int, what="row")


def test_integers_serve_as_numbers_and_booleans_never_do():
    assert checked(3, float, what="x") == 3.0
    for kind in (int, float):
        with pytest.raises(InvalidInput):
            checked(True, kind, what="x")


@pytest.mark.parametrize(
    "text",
    [
        r'{"a": "\ud800"}',
        r'{"\uDFFF": 1}',
        r'{"a": [{"b": ["\ud83d"]}]}',
        r'{"a": "x\u0000"}',
        '{"a": "\ud800"}',
        '{"a": ' + "[" * 100 + "]" * 100 + "}",
    ],
    ids=["escaped", "key", "inside", "NUL", "raw", "deep"],
)
def test_what_could_not_be_written_again_is_not_read(text):
    with pytest.raises(InvalidInput, match="greeting"):
        parse_object(text, what="greeting")


@pytest.mark.parametrize("text", [r'{"a": "\ud83d\ude00"}', r'{"a": "\\ud800 \\u0000"}', '{"a": "😀"}'])
def test_characters_beyond_the_first_plane_and_escaped_backslashes_are_text(text):
    content = parse_object(text, what="greeting")
    assert parse_object(canonical_bytes(content), what="greeting") == content


@pytest.mark.parametrize("value", ["\ud800", "a\0", {"\udfff": 1}, [[["\ud800"]]]])
def test_bad_text_has_no_canonical_form(value):
    with pytest.raises(InvalidInput):
        canonical_bytes({"a": value})
    if isinstance(value, str):
        with pytest.raises(InvalidInput, match="'a'"):
            field({"a": value}, "a", str, what="row")


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("value", [10**400, -(10**400), 2**63, -(2**63) - 1])
def test_integers_beyond_64_bits_are_out_of_range(kind, value):
    with pytest.raises(InvalidInput, match="64 bits"):
        checked(value, kind, what="x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_what_can_be_read_can_be_written_and_the_other_way_round(content):
    try:
        read = parse_object(json.dumps(content), what="greeting")
    except InvalidInput:
        with pytest.raises(InvalidInput):
            canonical_bytes(content)
    else:
        assert parse_object(canonical_bytes(read), what="greeting") == content


def test_an_integer_of_too_many_digits_is_refused_in_words_for_whoever_sent_it():
    with pytest.raises(InvalidInput, match="the body holds an integer of more digits"):
        parse_object('{"a": ' + "9" * 5000 + "}", what="the body")
