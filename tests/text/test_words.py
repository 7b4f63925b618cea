"""Texts are split into the same words whichever way is taken."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.text.words import words


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_finds_what_the_expression_finds(text: str) -> None:
    assert words(text) == re.findall(r"\w+", text.lower())


MARKS = "".join(c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c) in {"Mn", "Mc"})
ANY = re.compile(rf"[\w{MARKS}]+")
# Letters, digits, marks and gaps of every plane, each as likely as the others.
ODD = st.sampled_from(
    "aZIi\u0307_9 -\u00e9\u0130\u03a3\ufb01\uff21\u093f\u2014\u3000\U0001d400\U00010300\U0001e8d0\U0001f600"
)


@settings(deadline=None)  # the first text that is not ASCII takes longer
@given(st.text() | st.text(ODD))
def test_the_core_parts_any_text_as_the_expression_does(text: str) -> None:
    whole = unicodedata.normalize("NFKC", text)
    assert words(text) == ANY.findall(whole.lower().replace("i\u0307", "i"))
    turkish = whole.replace("I", "\u0131").lower().replace("i\u0307", "i")
    assert words(text, turkish=True) == ANY.findall(turkish)


@settings(deadline=None)  # the first text that is not ASCII takes longer
@given(st.text())
def test_any_text_has_words_in_lower_case_without_gaps(text: str) -> None:
    for word in words(text):
        assert word
        assert not any(c.isspace() for c in word)
        assert word == word.lower() or not word.isascii()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caf\u00e9 au lait", "cafe\u0301 AU lait"),
        ("\uff26\uff35\uff2c\uff2c width", "full WIDTH"),
        ("\ufb01ne", "fine"),
        ("\u0130ZM\u0130R", "izmir"),
        ("I\u0307zmir", "i\u0307zmir"),
    ],
)
def test_spellings_that_look_the_same_are_the_same_words(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_marks_inside_words_of_hindi_do_not_break_them() -> None:
    assert words("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e") == [
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u092d\u093e\u0937\u093e",
    ]
