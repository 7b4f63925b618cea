"""What users pass in and get back."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Metadata = dict[str, Any]


class Metric(enum.StrEnum):
    """Which distance a dense index orders by (on the wire: `similarityFunction`)."""

    COSINE = "COSINE"
    EUCLIDEAN = "EUCLIDEAN"
    DOT_PRODUCT = "DOT_PRODUCT"


class IndexType(enum.StrEnum):
    """Which vectors the records of an index have."""

    DENSE = "DENSE"
    SPARSE = "SPARSE"
    HYBRID = "HYBRID"


class MetadataUpdateMode(enum.StrEnum):
    """How `update` treats metadata: replace it, or merge into it by RFC 7396."""

    OVERWRITE = "OVERWRITE"
    PATCH = "PATCH"


class Durability(enum.StrEnum):
    """When a write to a directory is acknowledged.

    full: once the disk has it: it survives the loss of power. normal: once the system has it: it survives a
    crash or kill of the process; a loss of power may take the last writes, and leaves the index whole.
    """

    FULL = "full"
    NORMAL = "normal"


class WeightingStrategy(enum.StrEnum):
    """How the values of a sparse query are weighted."""

    IDF = "IDF"


class FusionAlgorithm(enum.StrEnum):
    """How the two halves of a hybrid query become one ranking."""

    RRF = "RRF"
    DBSF = "DBSF"


class QueryMode(enum.StrEnum):
    """Which halves of a hybrid index a text query asks."""

    HYBRID = "HYBRID"
    DENSE = "DENSE"
    SPARSE = "SPARSE"


class Fields(msgspec.Struct):
    """Reads as an object or as a mapping: `r.id`, `r["id"]`, `"data" in r`, `r.get("data")`.

    A field that is absent is None as an attribute, missing from `in`, and a KeyError by subscript.
    """

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, name, None) if name in self.__struct_fields__ else None
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self.__struct_fields__ and getattr(self, str(name)) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The field called `name`, or `default` where it is absent."""
        return self[name] if name in self else default

    def keys(self) -> list[str]:
        """The names of the fields that are present."""
        return [name for name in self.__struct_fields__ if name in self]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


class SparseVector(Fields):
    """Coordinates that are not zero: `indices` (int32) and `values` (float32), of one length."""

    indices: list[int]
    values: list[float]


class Vector(Fields):
    """A record to upsert. `vector` is a list of floats, a NumPy array or anything with `tolist`."""

    id: str
    vector: Any = None
    metadata: Metadata | None = None
    data: str | None = None
    sparse_vector: SparseVector | tuple[Sequence[int], Sequence[float]] | None = None


class Data(Fields):
    """A text to embed and upsert."""

    id: str
    data: str
    metadata: Metadata | None = None


# Results are their own JSON on the wire: names in camel case, without what is absent. This one is not for the
# garbage collector to walk: answers come by the thousand, and nothing in one leads back to it.
class QueryResult(Fields, gc=False, rename="camel", omit_defaults=True):
    """One neighbour, with what the query asked to be included."""

    id: str
    score: float
    vector: list[float] | None = None
    sparse_vector: SparseVector | None = None
    metadata: Metadata | None = None
    data: str | None = None


class FetchResult(Fields, rename="camel", omit_defaults=True):
    """One record, with what the call asked to be included."""

    id: str
    vector: list[float] | None = None
    sparse_vector: SparseVector | None = None
    metadata: Metadata | None = None
    data: str | None = None


class RangeResult(Fields, rename="camel"):
    """One stretch of a namespace in insertion order; `next_cursor` is "" at the end."""

    next_cursor: str
    vectors: list[FetchResult]


class DeleteResult(Fields):
    """How many records a delete removed."""

    deleted: int


class UpdateResult(Fields):
    """How many records an update changed: 0 or 1."""

    updated: int


class NamespaceInfo(Fields):
    """Counts of one namespace."""

    vector_count: int
    pending_vector_count: int = 0


class DenseIndexInfo(Fields):
    """The dense half of an index."""

    dimension: int
    similarity_function: str
    embedding_model: str = ""


class SparseIndexInfo(Fields):
    """The sparse half of an index."""

    embedding_model: str = ""


class InfoResult(Fields):
    """Counts and kind of an index, the bytes that its records take, and its namespaces by name."""

    vector_count: int
    pending_vector_count: int
    index_size: int
    dimension: int
    similarity_function: str
    index_type: str = "DENSE"
    dense_index: DenseIndexInfo | None = None
    sparse_index: SparseIndexInfo | None = None
    namespaces: dict[str, NamespaceInfo] = msgspec.field(default_factory=dict)


class QueryRequest(TypedDict, total=False):
    """One query of `query_many`: the arguments of `query`, by name."""

    vector: Any
    sparse_vector: Any
    data: str
    top_k: int
    include_vectors: bool
    include_metadata: bool
    include_data: bool
    filter: str | None
    weighting_strategy: WeightingStrategy | str | None
    fusion_algorithm: FusionAlgorithm | str | None
    query_mode: QueryMode | str | None
    fusion_window: int | None
    dense_weight: float | None


class Embedder(Protocol):
    """A dense model: what an index asks to embed texts. Any number of threads may ask at once.

    name: what the index writes down, and gives in `info`. dimension: of the vectors.
    """

    name: str
    dimension: int

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of texts to be found: shape (len(texts), dimension), float32, finite."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a text to be searched for: shape (dimension,), float32, finite."""


class SparseEncoder(Protocol):
    """A sparse model. An empty vector stands for a text that has nothing to be found by."""

    name: str

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """The sparse vectors of texts to be found."""

    def encode_query(self, text: str) -> SparseVector:
        """The sparse vector of a text to be searched for."""
