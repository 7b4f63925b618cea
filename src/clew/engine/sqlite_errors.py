"""What SQLite says is wrong, as our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from clew.errors import ClewError, ClientError, Corruption, StorageError
from clew.messages import CLOSED

# What a call meets that was under way while the file was closed. Nothing has failed.
CLOSED_ERRORS = (apsw.ConnectionClosedError, apsw.CursorClosedError)


@contextmanager
def translated(name: str, *, written: str | None = None) -> Iterator[None]:
    """Errors of SQLite in the file `name` as ours.

    written: the file that is written meanwhile, where that is another: all but damage is of that one.
    """
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise as_ours(error, name) from error
    except apsw.Error as error:
        raise as_ours(error, written or name) from error


def as_ours(error: apsw.Error, name: str) -> ClewError:
    """Our error for one of the file `name`."""
    if isinstance(error, CLOSED_ERRORS):
        return ClientError(CLOSED)
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return Corruption(name, "an SQLite database that is whole", str(error))
    if isinstance(error, apsw.FullError):
        return StorageError(f"{name}: the disk is full; nothing was written")
    what_failed = apsw.mapping_extended_result_codes.get(getattr(error, "extendedresult", 0))
    return StorageError(f"{name}: {error} ({what_failed})" if what_failed else f"{name}: {error}")
