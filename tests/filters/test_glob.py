"""GLOB patterns: * ? [abc] [a-z] [^abc], the whole string, case-sensitive."""

from __future__ import annotations

import time

import pytest

from clew.filters.glob import compile_glob


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["", "ab", "abcd", "xabc", "Abc", "abc\n"]),
        ("*", ["", "a", "a\nb", "🦊"], []),
        ("**", ["", "a"], []),
        ("?", ["a", "\n", "🦊"], ["", "ab"]),
        ("a*", ["a", "abc", "a\n"], ["", "ba"]),
        ("*a", ["a", "bca"], ["", "ab", "a\n"]),
        ("*a*", ["a", "bab"], ["", "b"]),
        ("a*b*c", ["abc", "a-b-c", "abbcc", "abcbc"], ["ac", "acb", "abcd"]),
        ("*a*a", ["aa", "aba", "aaa"], ["a", "aab"]),
        ("*ab?ab*", ["abxab", "--abxab--", "abab ab"], ["abab", "abxa"]),
        ("?*?", ["ab", "abc"], ["", "a"]),
        ("[abc]", ["a", "b", "c"], ["d", "", "ab", "A"]),
        ("[a-cx]", ["a", "b", "c", "x"], ["d", "-"]),
        ("[^a-c]", ["d", "^", "A", "\n"], ["a", "b", "", "dd"]),
        ("[!a]", ["!", "a"], ["b"]),
        ("[]a]", ["]", "a"], ["[", "b"]),
        ("[^]a]", ["b", "["], ["]", "a"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[-a]", ["a", "-"], ["b"]),
        ("[z-a]", [], ["a", "z", "-", "m"]),
        ("[^z-a]", ["a", "z", "-"], [""]),
        ("[*?]", ["*", "?"], ["a"]),
        ("[a^]", ["a", "^"], ["b"]),
        (r"[\d]", ["\\", "d"], ["1"]),
        ("[&&a||b~~]", ["&", "a", "|", "b", "~"], ["c"]),
        ("[", ["["], ["", "a"]),
        ("[]", ["[]"], ["", "a"]),
        ("[^]", ["[^]"], ["^", "a"]),
        ("a[b", ["a[b"], ["ab"]),
        ("a]", ["a]"], ["a"]),
        (r"a\*b", ["a*b"], ["axb", r"a\*b"]),
        (r"\?\[\]\\", [r"?[]\ ".strip()], ["a"]),
        (r"a\b", [r"a\b"], ["ab"]),
        ("a.b+(c)$", ["a.b+(c)$"], ["axb+(c)$"]),
        ("?[sz]*[^m-z]", ["Istanbul", "oslo a", "pza"], ["istanbul!s", "aaa", "xsz"]),
    ],
)
def test_a_pattern_matches_exactly_these_strings(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = compile_glob(pattern).fullmatch
    assert [text for text in yes if not matches(text)] == []
    assert [text for text in no if matches(text)] == []


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    started = time.process_time()
    assert not compile_glob("*a" * 30 + "*b").fullmatch("a" * 5_000)
    assert not compile_glob("a*" * 30 + "b").fullmatch("a" * 5_000)
    assert time.process_time() - started < 1
