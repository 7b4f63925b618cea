r"""GLOB patterns as compiled regular expressions.

    *        any characters, also none          [abc]  one of these         [^abc]  one other than these
    ?        one character                      [a-z]  one of this range    \*      '*' itself

The whole string must match, and case matters. A `]` first in brackets, and a `-` first or last, stand for
themselves; so does a `[` that is never closed. A backslash makes the following `* ? [ ] \` literal; before
anything else, and in brackets, it is a character like any other.
"""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""(?P<star>\*+)
      | (?P<any>\?)
      | \\(?P<escaped>[*?\[\]\\])
      | \[(?P<not>\^?+)(?P<set>\]?+[^\]]*)\]
      | (?P<char>.)""",
    re.VERBOSE | re.DOTALL,
)
_RANGE = re.compile(r"(.)-(.)|(.)", re.DOTALL)


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression for which `fullmatch` is true of the strings that the pattern describes.

    Matching takes time linear in the string for each `*`: what lies between two stars is matched at its
    first occurrence, atomically, since no later occurrence could help.
    """
    chunks = [""]
    for piece in _PIECE.finditer(pattern):
        if piece["star"]:
            chunks.append("")
        elif piece["any"]:
            chunks[-1] += "."
        elif piece["set"] is not None:
            chunks[-1] += _one_of(piece["set"], negated=bool(piece["not"]))
        else:
            chunks[-1] += re.escape(piece["escaped"] or piece["char"])
    head, *rest = chunks
    if not rest:
        return re.compile(head, re.DOTALL)
    middle = "".join(f"(?>.*?{chunk})" for chunk in rest[:-1] if chunk)
    return re.compile(f"{head}{middle}.*{rest[-1]}", re.DOTALL)


def _one_of(members: str, negated: bool) -> str:
    parts = ""
    for low, high, single in _RANGE.findall(members):
        if single:
            parts += re.escape(single)
        elif low <= high:
            parts += f"{re.escape(low)}-{re.escape(high)}"
    if not parts:  # only ranges that run backwards, which hold nothing
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{parts}]"
