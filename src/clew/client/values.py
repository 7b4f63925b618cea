"""Single values that users pass, checked and brought into the form that commands carry.

Every function takes a value and the name of its argument, and raises ClientError that names both.
"""

from __future__ import annotations

import enum
import math
import operator
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from clew.commands import DEFAULT_NAMESPACE, Floats
from clew.errors import ClientError
from clew.limits import SPARSE_INDEX_MAX, SPARSE_INDEX_MIN
from clew.types import SparseVector

_FLOAT32 = np.dtype(np.float32)
_E = TypeVar("_E", bound=enum.StrEnum)


class SupportsToList(Protocol):
    """A pandas series, a torch tensor, a NumPy array: anything with `tolist`."""

    def tolist(self) -> list[float]:
        """The numbers as a list."""


VectorLike = Sequence[float] | NDArray[Any] | SupportsToList
SparseLike = SparseVector | tuple[Any, Any]


def refusal(name: str, value: object, expected: str) -> ClientError:
    """The error of a bad argument: its name, its value in short, and what was expected."""
    return ClientError(f"{name} is {reprlib.repr(value)}; expected {expected}")


def to_text(value: object, name: str) -> str:
    """A str that UTF-8 can carry."""
    if not isinstance(value, str):
        raise refusal(name, value, "a str")
    text = value if type(value) is str else str(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise refusal(name, value, "text without lone surrogates") from None
    return text


def to_id(value: object, name: str) -> str:
    """A str as it is, an int as its decimal text."""
    if isinstance(value, str):
        return to_text(value, name)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(value)
    raise refusal(name, value, "a str or an int")


def to_ids(value: object, name: str) -> tuple[str, ...]:
    """One id, or any iterable of them."""
    if isinstance(value, (str, int, np.integer)):
        return (to_id(value, name),)
    if isinstance(value, dict | bytes) or not hasattr(value, "__iter__"):
        raise refusal(name, value, "an id or a list of ids")
    return tuple([to_id(item, f"{name}[{place}]") for place, item in enumerate(value)])


def to_namespace(value: str | None, name: str = "namespace") -> str:
    """A namespace; None means the default one."""
    return DEFAULT_NAMESPACE if value is None else to_text(value, name)


def to_filter(value: str | None) -> str:
    """A filter; None means none."""
    return "" if value is None else to_text(value, "filter")


def to_flag(value: object, name: str) -> bool:
    """True or False, and nothing that merely looks like it."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise refusal(name, value, "True or False")


def to_count(value: object, name: str) -> int:
    """An int of at least 1; how many there may be, the index knows."""
    if type(value) is int and value > 0:
        return value
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise refusal(name, value, "an int of at least 1")
    count = operator.index(value)
    if count < 1:
        raise refusal(name, value, "an int of at least 1")
    return count


def to_seconds(value: object, name: str) -> float:
    """A finite number of seconds above 0."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        seconds = float(value)
        if 0 < seconds < math.inf:
            return seconds
    raise refusal(name, value, "a number of seconds above 0")


def to_share(value: object, name: str) -> float:
    """A number from 0 to 1."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        share = float(value)
        if 0 <= share <= 1:
            return share
    raise refusal(name, value, "a number from 0 to 1")


def to_enum(value: object, name: str, kind: type[_E]) -> _E:
    """A member of `kind`, or its text."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        member = kind.__members__.get(str(value))
        if member is not None:
            return member
    raise refusal(name, value, f"one of {', '.join(kind)}")


def find_finite_by(all_finite: Callable[[Floats], bool]) -> None:
    """Let `all_finite` tell whether float32 arrays are: that of the core, where it is loaded anyway.

    After a walk, when the processor has forgotten all other code, a query takes 3 us less by it.
    """
    global _all_finite
    _all_finite = all_finite


def finite_by_numpy(floats: Floats) -> bool:
    """Whether all are finite."""
    return 0 not in np.isfinite(floats).tobytes()  # a third of the time of `all()`


_all_finite: Callable[[Floats], bool] = finite_by_numpy


def to_vector(value: object, name: str) -> Floats:
    """Finite numbers as a C-contiguous float32 array of shape (n,), n >= 1; not copied where it is one."""
    if (
        type(value) is np.ndarray
        and value.dtype is _FLOAT32
        and value.ndim == 1
        and len(value)
        and value.flags.c_contiguous
        and _all_finite(value)
    ):
        return value
    return _vector_from_any(value, name)


def to_matrix(value: object, name: str) -> Floats:
    """Rows of finite numbers as a C-contiguous float32 array of shape (n, dimension); [] is (0, 0)."""
    return _floats(_numbers(value, name, 2), name)


def _vector_from_any(value: object, name: str) -> Floats:
    numbers = _numbers(value, name, 1)
    if not len(numbers):
        raise refusal(name, value, "at least one number")
    return _floats(numbers, name)


def _numbers(value: object, name: str, ndim: int) -> NDArray[Any]:
    """An array of `ndim` dimensions whose elements are ints or floats, of any width."""
    expected = f"numbers in {ndim} dimension{'s' * (ndim > 1)}"
    try:
        numbers = np.asarray(_listed(value, name))
    except (ValueError, TypeError, OverflowError):
        raise refusal(name, value, expected) from None
    if ndim == 2 and numbers.shape == (0,):
        numbers = numbers.reshape(0, 0)  # NumPy cannot know how many numbers no rows have
    if numbers.ndim != ndim or (numbers.dtype.kind not in "fiu" and numbers.size):
        raise refusal(name, value, expected)
    return numbers


def _listed(value: object, name: str) -> object:
    """What NumPy reads as numbers. (It takes a str for a scalar, a set for an object, and what is masked.)"""
    if isinstance(value, (list, tuple, np.ndarray)) and not hasattr(value, "mask"):
        return value
    convert = getattr(value, "tolist", None)
    if callable(convert):
        return convert()
    if hasattr(value, "__array__"):
        return value
    raise refusal(name, value, "a list of numbers, an array, or anything with tolist()")


def _floats(numbers: NDArray[Any], name: str) -> Floats:
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(numbers, dtype=_FLOAT32)
    finite = np.isfinite(floats)
    if 0 in finite.tobytes():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        spot = "".join(f"[{i}]" for i in place)
        raise refusal(f"{name}{spot}", numbers[place].item(), "a finite number within float32")
    return floats


def to_sparse(value: object, name: str) -> SparseVector:
    """A SparseVector, or a pair of indices and values of one length."""
    if isinstance(value, SparseVector):
        indices, values = value.indices, value.values
    elif isinstance(value, tuple) and len(value) == 2:
        indices, values = value
    else:
        raise refusal(name, value, "a SparseVector or a tuple of indices and values")
    places = _numbers(indices, f"{name}.indices", 1)
    weights = _vector_from_any(values, f"{name}.values")
    if places.dtype.kind not in "iu":
        raise refusal(f"{name}.indices", indices, "signed 32-bit ints, at least one")
    if len(places) != len(weights):
        raise refusal(name, value, f"as many indices as values, not {len(places)} and {len(weights)}")
    if places.min() < SPARSE_INDEX_MIN or places.max() > SPARSE_INDEX_MAX:
        raise refusal(f"{name}.indices", indices, "signed 32-bit ints")
    return SparseVector(places.tolist(), weights.tolist())
