from __future__ import annotations

from datetime import datetime, timezone

import pytest
from durakit.dashboard import text
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 0, 30, tzinfo=timezone.utc)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@given(UNICODE)
def test_every_name_survives_as_segment_of_a_path(name: str) -> None:
    segment = text.segment(name)

    assert text.from_segment(segment) == name
    assert segment.isascii()
    assert not set(segment) & set("/.%?# ")


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("function-chaining", "function-chaining"),
        ("a.json", "a~2Ejson"),
        ("a/b~", "a~2Fb~7E"),
        ("é", "~C3~A9"),
    ],
)
def test_bytes_outside_the_plain_ones_become_tilde_codes(name: str, segment: str) -> None:
    assert text.segment(name) == segment


@pytest.mark.parametrize("typed", ["my.hub", "~", "~zz", "~FF"])
def test_what_is_no_segment_of_ours_is_taken_as_it_is(typed: str) -> None:
    assert text.from_segment(typed) == typed


@pytest.mark.parametrize("character", ["\u202e", "\u200f", "\u2066", "\x00", "\x1b", "\n", "\x9b", "\ufeff"])
def test_characters_that_act_are_shown_as_escapes(character: str) -> None:
    assert text.visible(f"a{character}b") == f"a\\u{ord(character):04x}b"


def test_letters_of_all_scripts_are_shown_as_they_are() -> None:
    assert text.visible("注文 заказ طلب 🎉") == "注文 заказ طلب 🎉"
