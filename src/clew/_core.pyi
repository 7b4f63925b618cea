"""The native core: floats, slots and bits. Arrays in, arrays out, the GIL released."""

from typing import Annotated, Final

from numpy import float32, uint32, uint64
from numpy.typing import NDArray

INSTRUCTION_SETS: Final[list[str]]  # those this processor runs, best first; "plain" is last

class Graph:
    """The vectors of one namespace and, once there are enough of them, a navigable graph over them.

    One writer (`apply`) at a time; any number of readers beside it.
    """
    def __init__(
        self,
        dimension: int,
        metric: str,  # "COSINE" | "EUCLIDEAN" | "DOT_PRODUCT"
        *,
        degree: int = 32,
        ef_construction: int = 128,
        alpha: float = 1.2,
        link_min: int = 2048,  # below this many slots there is no graph: every query is a scan
    ) -> None: ...
    @property
    def dimension(self) -> int: ...
    @property
    def size(self) -> int: ...  # slots ever published, tombstones included
    @property
    def live(self) -> int: ...  # visible now
    @property
    def bytes(self) -> int: ...  # memory held
    def apply(self, added: NDArray[float32], removed: NDArray[uint32], seq: int, threads: int = 1) -> int:
        """Add rows (n, dimension) as slots size..size+n-1, tombstone `removed`, then make both visible at once as of `seq`.

        Returns the first new slot. `seq` must exceed that of every earlier call. A reader opened before this returns sees neither change.
        """
    def search(self, query: NDArray[float32], k: int, ef: int = 0, allowed: NDArray[uint64] | None = None) -> tuple[NDArray[uint32], NDArray[float32]]:
        """The k nearest visible slots and their distances, nearest first, ties by slot. ef 0: a default from k. `allowed`: bitmap, bit s of word s // 64."""
    def search_many(
        self, queries: NDArray[float32], k: int, ef: int = 0, allowed: NDArray[uint64] | None = None, threads: int = 1
    ) -> tuple[NDArray[uint32], NDArray[float32], NDArray[uint32]]:
        """The same for every row of (m, dimension): slots (m, k), distances (m, k), and how many of each row count (m,)."""
    def cursor(self, query: NDArray[float32], ef: int = 0, allowed: NDArray[uint64] | None = None, exact: bool = False) -> Cursor:
        """Open a cursor over what is visible now. It sees that, and only that, for ever; it keeps the graph alive."""
    def rows(self, slots: NDArray[uint32]) -> NDArray[float32]:
        """Copies of rows, (n, dimension)."""
    def compact(self, threads: int = 1) -> tuple[Graph, NDArray[uint32]]:
        """A new graph of the live slots, order kept, and the old slot of each new one. This graph is unchanged."""

class Cursor:
    """Yields every visible slot once, nearest first as far as the beam can tell. One caller at a time."""
    def next(self, n: int) -> tuple[NDArray[uint32], NDArray[float32]]:
        """Up to n further slots and distances; fewer only at the end, and none ever after."""
    @property
    def scanning(self) -> bool: ...  # true once it has turned from the graph to an exact scan
    @property
    def bytes(self) -> int: ...
    def close(self) -> None:
        """Give the memory back. `next` then returns nothing."""

def shortest(values: NDArray[float32]) -> list[float]:
    """Doubles nearest to the shortest decimal that is each float32: 0.1f becomes 0.1, not 0.10000000149011612. Any shape, flattened."""

def scores(distances: NDArray[float32], metric: str) -> list[float]:
    """What users see of distances: (1 + cos) / 2, 1 / (1 + d), (1 + dot) / 2 in float32, in their shortest decimal form."""
