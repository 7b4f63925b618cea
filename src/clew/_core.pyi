"""The native core: floats, slots and bits. Arrays in, arrays out, the GIL released while it works.

Arrays are C-contiguous. A bitmap is uint64 words: bit `s % 64` of word `s // 64` stands for slot s.
Distances are float32, smaller is nearer: -cos (0 for a zero vector), squared Euclidean, or -dot.
"""

import builtins
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from numpy import float32, int8, int16, int32, int64, uint32, uint64
from numpy.typing import NDArray

T = TypeVar("T")

INSTRUCTION_SETS: Final[list[str]]
"""Those this processor runs, best first; "plain" is last. CLEW_INSTRUCTION_SET names one to use instead of the best."""

class Hits:
    """What a search found, nearest first. Also reads as a pair: `slots, distances = hits`.

    Each array is made where it is asked for.
    """

    def __init__(self, slots: NDArray[uint32], distances: NDArray[float32]) -> None:
        """Of two arrays of one length."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def slots(self) -> NDArray[uint32]: ...
    @property
    def distances(self) -> NDArray[float32]: ...
    @property
    def packed(self) -> builtins.bytes:
        """The slots, as an array has them."""

    def of(self, numbers: array[int]) -> NDArray[int64]:
        """`numbers[slot]` of each; `numbers` is of 64 bits. IndexError for a slot without a number."""

    def packed_of(self, numbers: array[int]) -> builtins.bytes:
        """The same, as `pack` makes a set of them."""

    def named(self, names: list[str], metric: str | None, make: Callable[[str, float], T]) -> list[T]:
        """`make(names[slot], score)` of each, with a score as `scores` gives it. IndexError for a slot without a name."""

    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, place: int) -> Any: ...

class Graph:
    """The vectors of one namespace and, once there are enough of them, a navigable graph over them.

    One writer (`apply`, `compact`) at a time; any number of readers beside it.
    """

    def __init__(
        self,
        dimension: int,
        metric: str,
        *,
        degree: int = 32,
        ef_construction: int = 200,
        alpha: float = 1.05,
        link_min: int = 2048,
        codes: bool = True,
    ) -> None:
        """`metric` is COSINE, EUCLIDEAN or DOT_PRODUCT. With fewer than `link_min` slots every query is a scan.

        `degree` neighbours per slot, chosen from `ef_construction` candidates; an edge is left out where a detour is
        shorter by the factor `alpha` (of squared distances). With `codes`, walks and scans go by int8 codes where these
        tell neighbours apart, and what they return is ranked by its floats all the same. ValueError where one of them makes no sense.
        """

    @property
    def dimension(self) -> int: ...
    @property
    def size(self) -> int:
        """Slots ever added, tombstones included."""

    @property
    def live(self) -> int:
        """Slots visible now."""

    @property
    def linked(self) -> bool:
        """Whether there is a graph yet."""

    @property
    def coded(self) -> bool:
        """Whether walks and scans go by codes now."""

    @property
    def bytes(self) -> int:
        """Memory that rows, codes, edges and tombstones take."""

    @property
    def scan_cost(self) -> float:
        """What scanning one row costs, in units of one distance of a walk; cursors turn into scans by it."""

    @scan_cost.setter
    def scan_cost(self, value: float, /) -> None: ...
    def apply(self, added: NDArray[float32], removed: NDArray[uint32], seq: int, threads: int = 1) -> int:
        """Add the rows (n, dimension) as slots size..size+n-1, tombstone `removed`, and make both visible at once.

        `seq` must exceed that of every earlier call. Returns the first new slot. A reader sees all of a call or
        nothing of it. ValueError for a wrong dimension, IndexError for a slot that does not exist.
        """

    def search(
        self,
        query: NDArray[float32],
        k: int,
        ef: int = 0,
        allowed: NDArray[uint64] | None = None,
        exact: bool = False,
    ) -> Hits:
        """The k nearest visible slots that are `allowed`, and their distances; nearest first, ties by slot.

        `ef`: how many candidates the beam holds (at least k); 0 chooses by k. `exact`: scan, do not walk.
        """

    def search_many(
        self,
        queries: NDArray[float32],
        k: int,
        ef: int = 0,
        allowed: NDArray[uint64] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[uint32], NDArray[float32], NDArray[uint32]]:
        """The same for every row of (m, dimension): slots (m, k), distances (m, k), and how many count (m,)."""

    def cursor(
        self,
        query: NDArray[float32],
        ef: int = 0,
        allowed: NDArray[uint64] | None = None,
        exact: bool = False,
    ) -> Cursor:
        """A cursor over what is visible now. It sees that, and only that, for ever, and keeps the graph alive."""

    def rows(self, slots: NDArray[uint32]) -> NDArray[float32]:
        """Copies of rows, (n, dimension). IndexError for a slot that does not exist."""

    def save(self, path: str, note: builtins.bytes = b"") -> None:
        """Write what is visible now to a new file, with a note for load(), and wait until it is on the disk.

        A writer may go on beside it. The layout is in docs/format.md. OSError when the system refuses; what there is
        of the file then is no image.
        """

    @staticmethod
    def load(path: str, mapped: bool = False) -> tuple[Graph, builtins.bytes]:
        """The graph of a file that save() wrote, and its note.

        `mapped` leaves the vectors in the file, to be read where they are needed: a graph larger than memory opens,
        and the checksum of its vectors is not looked at. The file must then stay as it is while the graph lives.
        DamagedImage when it is not whole, OSError when the system refuses.
        """

    def compact(self, threads: int = 1) -> tuple[Graph, NDArray[uint32]]:
        """A new graph of the live slots, in order, and the old slot of each. This graph is unchanged, and another
        thread may write to it meanwhile. GivenUp where that was asked for.
        """

    def give_up_compacting(self) -> None:
        """`compact` raises GivenUp from now on, also the call under way. Any thread may ask for it."""

class GivenUp(RuntimeError):
    """A compaction was ended before its end."""

class DamagedImage(ValueError):
    """A file is not an image of a graph, or not all of it: save it again from the records."""

class Cursor:
    """Yields every visible slot once, nearest first as far as the beam can tell. One caller at a time."""

    def next(self, n: int) -> Hits:
        """Up to n further slots and distances; fewer only at the end, and none ever after."""

    def close(self) -> None:
        """Give the memory back; `next` then yields nothing."""

    @property
    def scanning(self) -> bool:
        """Whether it has turned from the graph to an exact scan."""

    @property
    def walked(self) -> int:
        """How many distances its walk has computed."""

    @property
    def scanned(self) -> int:
        """How many rows its scan has scored."""

    @property
    def bytes(self) -> int: ...

class Sparse:
    """The sparse vectors of one namespace, as inverted lists.

    One writer (`apply`, `compact`) at a time; any number of readers beside it. A score is the sum over common indices
    of weight times value, in float32, added up in the order of the entries of the record; the distance is that
    negated. Only slots with a common index are found. Ties come in order of slot.
    """

    def __init__(self) -> None: ...
    @property
    def size(self) -> int:
        """Slots ever added, tombstones included."""

    @property
    def live(self) -> int:
        """Slots visible now."""

    @property
    def indices(self) -> int:
        """Indices that a slot has or had."""

    @property
    def bytes(self) -> int:
        """Memory that lists and vectors take."""

    def apply(
        self,
        offsets: NDArray[uint64],
        indices: NDArray[int32],
        values: NDArray[float32],
        removed: NDArray[uint32],
        seq: int,
    ) -> int:
        """Add vectors as slots size..size+n-1, tombstone `removed`, and make both visible at once.

        Vector i has the entries from offsets[i] to offsets[i + 1], in any order, duplicates allowed (their products add
        up). `seq` must exceed that of every earlier call. Returns the first new slot. ValueError for offsets that do
        not fit, IndexError for a slot that does not exist.
        """

    def search(
        self,
        indices: NDArray[int32],
        values: NDArray[float32],
        k: int,
        idf: bool = False,
        allowed: NDArray[uint64] | None = None,
        exhaustive: bool = False,
        beside: Graph | None = None,
    ) -> Hits:
        """The k nearest visible slots that are `allowed`, and their distances.

        `beside`: a graph over the same slots, which is changed after the lists are, under the same numbers; what it
        shows is searched.

        `idf`: each value is multiplied by ln(1 + (N - n + 0.5) / (n + 0.5)), for n of all N visible slots that have
        its index. `exhaustive`: score everything, skip nothing by bounds; the answer is the same.
        """

    def search_many(
        self,
        offsets: NDArray[uint64],
        indices: NDArray[int32],
        values: NDArray[float32],
        k: int,
        idf: bool = False,
        allowed: NDArray[uint64] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[uint32], NDArray[float32], NDArray[uint32]]:
        """The same for many queries: slots (n, k), distances (n, k), and how many each row has.

        Query i has the entries from offsets[i] to offsets[i + 1]. ValueError for offsets that do not fit.
        """

    def cursor(
        self,
        indices: NDArray[int32],
        values: NDArray[float32],
        idf: bool = False,
        allowed: NDArray[uint64] | None = None,
        beside: Graph | None = None,
    ) -> SparseCursor:
        """A cursor over what is visible now, or what `beside` shows. It sees that, and only that, for ever, and keeps
        the lists alive.
        """

    def rows(self, slots: NDArray[uint32]) -> tuple[NDArray[uint64], NDArray[int32], NDArray[float32]]:
        """Copies of vectors as they were given: offsets, indices, values. IndexError for an unknown slot."""

    def compact(self) -> tuple[Sparse, NDArray[uint32]]:
        """The live slots only, in order, and the old slot of each. This one is unchanged."""

class SparseCursor:
    """Yields every slot that has an index in common, once, nearest first, exactly. One caller at a time."""

    def next(self, n: int) -> Hits:
        """Up to n further slots and distances; fewer only at the end, and none ever after."""

    def close(self) -> None:
        """Give the memory back; `next` then yields nothing."""

    @property
    def weighted(self) -> tuple[NDArray[int32], NDArray[float32]]:
        """Indices and weights of the sparse query: asked with these values, without `idf`, it is the same query."""

    @property
    def bytes(self) -> int: ...

class FusedCursor:
    """Yields every slot that either half of a hybrid query finds, once. One caller at a time."""

    def next(self, n: int) -> Hits:
        """Up to n further slots and distances, which are fused scores negated; fewer only at the end, and none ever after."""

    def close(self) -> None:
        """Give the memory back; `next` then yields nothing."""

    @property
    def weighted(self) -> tuple[NDArray[int32], NDArray[float32]]:
        """Indices and weights of the sparse query: asked with these values, without `idf`, it is the same query."""

    @property
    def bytes(self) -> int: ...

class FusedStreams:
    """The same of two halves that are read by calling: what `fused_cursor` does, for slots below 2^31 of any meaning."""

    def __init__(
        self,
        dense: Callable[[int], tuple[NDArray[uint32], NDArray[float32]]],
        sparse: Callable[[int], tuple[NDArray[uint32], NDArray[float32]]],
        metric: str,
        *,
        algorithm: str = "RRF",
        dense_weight: float = 0.5,
        window: int = 0,
    ) -> None:
        """Either gives up to n further slots, fewer only at its end: `dense` with distances by `metric`, `sparse`
        with negated scores.
        """

    def next(self, n: int) -> Hits:
        """Up to n further slots and distances, which are fused scores negated; fewer only at the end."""

    @property
    def bytes(self) -> int: ...

def fused_cursor(
    graph: Graph,
    sparse: Sparse,
    vector: NDArray[float32],
    indices: NDArray[int32],
    values: NDArray[float32],
    *,
    idf: bool = False,
    allowed: NDArray[uint64] | None = None,
    algorithm: str = "RRF",
    dense_weight: float = 0.5,
    window: int = 0,
    once: bool = False,
) -> FusedCursor:
    """A cursor over what both halves show now: slots of the same numbers, changed by calls of the same seq, those of
    `sparse` before those of `graph`.

    `algorithm`: RRF, 1 / (60 + rank) of either half, ranks from 0; or DBSF, (score - (m - 3 s)) / (6 s) of either
    half, 0.5 where s is 0. The halves are multiplied by 2 * `dense_weight` and 2 * (1 - `dense_weight`).
    `window`: so many ranks of either half are fused into a stretch of one ranking; 0: each `next(n)` fuses afresh the
    next n of either half that were not returned. `once`: there will be one `next` of at most `window`.
    """

def pack(numbers: NDArray[int64]) -> bytes:
    """A set of numbers, in any order, as few bytes: 9 to 13 bits each for a thousand of some 100,000."""

def unpack(packed: bytes) -> NDArray[int64]:
    """The numbers of packed sets that follow one another, those of each ascending. ValueError where there are none such."""

def all_finite(floats: NDArray[float32]) -> bool:
    """Whether neither infinity nor NaN is among them. ValueError where they are not contiguous."""

def shortest(values: NDArray[float32]) -> list[float]:
    """For each float32 the double of its shortest decimal: 0.1 rather than 0.10000000149011612. Flattened."""

def scores(distances: NDArray[float32], metric: str | None) -> list[float]:
    """What users see: (1 + cos) / 2, 1 / (1 + d) or (1 + dot) / 2, in float32, as their shortest decimals; without a
    metric the distance negated.
    """

class Head:
    """All of the head of a request but the digits that say how long its body is: it was understood once."""

    def __init__(self, before: bytes, after: bytes, most: int) -> None:
        """before, after: what stands around the digits. most: of a body, in bytes."""

    def read(self, text: bytes) -> tuple[int, NDArray[float32] | None, bytes | None] | None:
        """Where the request ends that `text` begins with, and its body as `take_vector` gives it: the vector and the rest, or
        None and all of it. Neither where `text` ends before it does. None if it has another head, or a larger body.
        """

def take_vector(text: builtins.bytes) -> tuple[NDArray[float32], builtins.bytes] | None:
    """The array of numbers under the key "vector" of the JSON object `text`, as float32, and the text with `null` in its place.

    None where that is not plain to see: another value, an empty array, the key twice, a key with an escape, a number beyond float32, no
    object. The rest is not checked: if it is JSON, so is all of it, and the array is what it says under that key.
    """

class Vocabulary:
    """The terms of words, remembered for up to `words_max` of them."""

    def __init__(self, words_max: int) -> None: ...
    @property
    def size(self) -> int:
        """How many words are remembered."""

    def count(
        self, text: str, terms_of: Callable[[list[str]], list[int]]
    ) -> tuple[list[int], list[int], int]:
        """The terms of the words of `text`, which spaces part: each once, in the order in which they first occur; how
        often each does; and how many words have one.

        `terms_of`: the terms of words that are not remembered, int32; -1 stands for none. ValueError where it gives
        not one for each.
        """

def spaced(text: str, letters: NDArray[uint64]) -> str:
    """The text with a space for each character whose bit is not set in the bitmap `letters`."""

def code_sums(
    instruction_set: str, function: str, query: NDArray[int16], rows: NDArray[int8]
) -> NDArray[int32]:
    """Sums over rows of codes (n, width), width a multiple of 64: `function` is dot or squared, of the codes and 128, or coarse dot
    or coarse squared, of their upper halves h: q h, or q h + 8 h (15 - h), for -128 <= q <= 127. For tests.
    """

def unmarked_slots(
    instruction_set: str, places: NDArray[uint32], end: int, marks: NDArray[uint32]
) -> NDArray[uint32]:
    """Of the slots that places hold, which are numbers by one more than a slot and 0 for none, in their order those below
    `end` without a bit in `marks`. Raises ValueError for an instruction set without such a kernel. For tests.
    """

def parted_keys(
    instruction_set: str, distances: NDArray[float32], slots: NDArray[uint32], limit: int
) -> tuple[NDArray[uint64], NDArray[uint64]]:
    """The keys of distances and slots, in their order: those less than `limit`, and the others. Raises ValueError as above.
    For tests.
    """

def split_keys(
    instruction_set: str, keys: NDArray[uint64], limit: int
) -> tuple[NDArray[uint64], NDArray[uint64]]:
    """Those less than `limit`, and the others, in their order. Raises ValueError as above. For tests."""

def merged_keys(
    instruction_set: str, sorted: NDArray[uint64], fresh: NDArray[uint64]
) -> tuple[NDArray[uint64], int]:
    """Keys that are sorted and others in any order, none twice and 512 at most, as one sorted array; and where in it the first of
    `fresh` is. Raises ValueError for an instruction set without such a kernel. For tests.
    """

def block_within(
    instruction_set: str, distances: NDArray[float32], before: float, limit: float
) -> tuple[int, float]:
    """Which of 64 distances are more than `before` and at most `limit`, bit by bit, and the least that is more than `limit`, or
    infinity; what is not a number is neither. Raises ValueError for an instruction set without such a kernel. For tests.
    """

def kernel_distances(
    instruction_set: str, function: str, query: NDArray[float32], rows: NDArray[float32]
) -> NDArray[float32]:
    """`function` ("dot" or "squared") of the query and each row by the kernels of one instruction set, for tests."""

def passed_sums(
    instruction_set: str, sums: NDArray[float32], least: float
) -> tuple[NDArray[uint32], NDArray[float32]]:
    """Where sums, a multiple of 64 of them, are not below `least`, by the kernel of one instruction set; and what is left: -0
    instead of every 64 without one. For tests.
    """

def sorted_keys(instruction_set: str, keys: NDArray[uint64]) -> NDArray[uint64]:
    """Keys in order of their upper halves, those of equal ones as they come, by the kernel of one instruction set. For tests."""
