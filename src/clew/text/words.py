"""Text as words: what the built-in encoders count."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clew._core import spaced

# In ASCII text: letters in lower case, digits and the underscore as they are, all else a gap.
_ASCII = "".join(c.lower() if c.isalnum() or c == "_" else " " for c in map(chr, range(128)))

# Turkish has two letters i, one with a dot and one without, in either case.
_TURKISH_ASCII = _ASCII[: ord("I")] + "\u0131" + _ASCII[ord("I") + 1 :]

# What Unicode makes of a capital I with a dot, so that the case could be told again.
_I_AND_DOT = "i\u0307"


def words(text: str, *, turkish: bool = False) -> list[str]:
    """The words of a text in lower case, in order: runs of letters, digits, underscores and their marks."""
    return parted(text, turkish=turkish).split()


def parted(text: str, *, turkish: bool = False) -> str:
    """The text with its words in lower case and spaces for all else.

    Text that is not ASCII is brought into the form NFKC first, so that an accent written apart counts as
    one written together, and full-width letters as plain ones. A capital I with a dot is an i everywhere; one
    without is an i without a dot if `turkish`.
    """
    if text.isascii():
        return text.translate(_TURKISH_ASCII if turkish else _ASCII)
    text = unicodedata.normalize("NFKC", text)
    if turkish:
        text = text.replace("I", "\u0131")
    return spaced(text.lower().replace(_I_AND_DOT, "i"), _letters())


@cache
def _letters() -> NDArray[np.uint64]:
    """A bitmap of the characters that words are made of."""
    every = np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    letters = np.zeros(len(every), dtype=bool)
    for run in re.finditer(r"\w+", every):
        letters[run.start() : run.end()] = True
    # What Python takes for part of a word has no combining marks, which stand inside words of Hindi, Tamil
    # and many others. Those of all scripts are in this range.
    for place in range(0x300, 0x1F000):
        if unicodedata.category(every[place]) in {"Mn", "Mc"}:
            letters[place] = True
    return np.packbits(letters, bitorder="little").view(np.uint64)
