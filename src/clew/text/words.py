"""Text as words: what the built-in encoders count."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# In ASCII text: letters in lower case, digits and the underscore as they are, all else a gap. Three times as
# quick as a regular expression, which would find the same.
_ASCII = "".join(c.lower() if c.isalnum() or c == "_" else " " for c in map(chr, range(128)))


def words(text: str) -> list[str]:
    """The words of a text in lower case, in order: runs of letters, digits, underscores and their marks.

    Text that is not ASCII is brought into the form NFKC first, so that an accent written apart counts as
    one written together, and full-width letters as plain ones.
    """
    if text.isascii():
        return text.translate(_ASCII).split()
    return _any().findall(unicodedata.normalize("NFKC", text).lower())


@cache
def _any() -> re.Pattern[str]:
    # What Python takes for part of a word has no combining marks, which stand inside words of Hindi, Tamil
    # and many others. Those of all scripts are in this range.
    marks = [c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c) in {"Mn", "Mc"}]
    return re.compile(rf"[\w{re.escape(''.join(marks))}]+")
