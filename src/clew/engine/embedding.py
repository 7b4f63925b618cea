"""Texts become vectors before anything else is done with a command: outside every lock."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace

from clew.commands import AnyCommand, Command, Floats, Query, QueryMany, Record, StartQuery, Update, Upsert
from clew.engine.check import NO_MODEL, require_data, require_text
from clew.engine.metadata import DATA_BYTES_MAX, require_size
from clew.engine.records import IndexSettings
from clew.engine.sqlite import RECORDS_FILE
from clew.errors import ClientError, DimensionMismatch
from clew.types import Embedder, IndexType, QueryMode, SparseEncoder, SparseVector

DenseModel = str | Embedder
SparseModel = str | SparseEncoder
T = TypeVar("T")


class Models:
    """The models of an index, loaded when a text first needs them.

    settings: of the index. dense, sparse: the models, or their names; "" where it has none for that half.
    Texts are taken where each half that its vectors have has a model.
    """

    def __init__(self, settings: IndexSettings, dense: DenseModel, sparse: SparseModel) -> None:
        self._dense, self._sparse = dense, sparse
        self._dimension = settings.dimension or None
        self._has_dense = settings.type is not IndexType.SPARSE
        self._has_sparse = settings.type is not IndexType.DENSE
        self._take_texts = bool((dense or not self._has_dense) and (sparse or not self._has_sparse))
        self._loading = threading.Lock()
        self._methods: dict[type[AnyCommand], Callable[[Any], Any]] = {
            Query: self._query,
            QueryMany: lambda many: replace(many, queries=tuple(map(self._query, many.queries))),
            StartQuery: lambda start: replace(start, query=self._query(start.query)),
            Upsert: self._upsert,
            Update: self._update,
        }

    def embedded(self, command: Command[T]) -> Command[T]:
        """The command, with vectors in place of the texts that stand for them.

        Raises ClientError for texts where there is no model, and whatever a model raises.
        """
        method = self._methods.get(type(command))
        embedded: Command[T] = command if method is None else method(command)
        return embedded

    def before(self, kind: type[AnyCommand], method: Callable[[Any], T]) -> Callable[[Any], T]:
        """`method`, which carries out commands of a kind, given vectors in place of their texts."""
        embed = self._methods.get(kind)
        if embed is None or (kind is Query and not self._take_texts):  # which is refused all the same
            return method
        return lambda command: method(embed(command))

    def dense(self) -> Embedder:
        """The dense model. Raises ClientError where it cannot be loaded or its vectors do not fit."""
        with self._loading:
            if isinstance(self._dense, str):
                from clew.text import embedder  # here, as an index without models need not wait for it

                self._dense = embedder(self._dense, self._dimension)
            model = self._dense
        if self._dimension not in (None, model.dimension):
            raise DimensionMismatch(
                f"the embedding model {model.name} makes vectors of {model.dimension} dimensions, "
                f"and the index holds vectors of {self._dimension}"
            )
        return model

    def sparse(self) -> SparseEncoder:
        """The sparse model. Raises ClientError where there is none of its name."""
        with self._loading:
            if isinstance(self._sparse, str):
                from clew.text import sparse_encoder

                self._sparse = sparse_encoder(self._sparse)
            return self._sparse

    def _query(self, query: Query) -> Query:
        if query.data is None:
            return query
        if query.vector is not None or query.sparse_vector is not None:
            raise ClientError("both data and a vector are given; expected one of them")
        if not self._take_texts:
            raise ClientError(NO_MODEL)
        require_text("data", query.data)
        require_size("data", len(query.data.encode()), DATA_BYTES_MAX)
        both = self._has_dense and self._has_sparse
        mode = query.query_mode if both else None
        vector = sparse_vector = None
        if self._has_dense and mode is not QueryMode.SPARSE:
            model = self.dense()
            vector = _checked(model, [model.embed_query(query.data)], 1)[0]
        if self._has_sparse and mode is not QueryMode.DENSE:
            sparse_vector = self.sparse().encode_query(query.data)
        return replace(query, data=None, vector=vector, sparse_vector=sparse_vector)

    def _upsert(self, command: Upsert) -> Upsert:
        """Texts are embedded where every record is one. Beside a vector, a text is only kept."""
        records = command.records
        if not command.embed or not records or not all(map(_is_text, records)):
            return command
        return replace(command, records=self._records(records))

    def _update(self, command: Update) -> Update:
        record = command.record
        if not self._take_texts or not _is_text(record):
            return command
        return replace(command, record=self._records([record])[0])

    def _records(self, records: Sequence[Record]) -> tuple[Record, ...]:
        if not self._take_texts:
            raise ClientError(NO_MODEL)
        texts = [_text(record) for record in records]
        vectors: Sequence[Floats | None] = [None] * len(texts)
        terms: Sequence[SparseVector | None] = [None] * len(texts)
        if self._has_dense:
            model = self.dense()
            vectors = list(_checked(model, model.embed_documents(texts), len(texts)))
        if self._has_sparse:
            terms = self.sparse().encode_documents(texts)
        return tuple(
            replace(record, vector=vector, sparse_vector=sparse_vector)
            for record, vector, sparse_vector in zip(records, vectors, terms, strict=True)
        )


def with_models(
    asked: IndexSettings, directory: Path | None, dense: DenseModel, sparse: SparseModel
) -> IndexSettings:
    """The settings of an index to be, with its models. Those of a new one are loaded: it has their dimension.

    Raises ClientError for a model that it cannot have.
    """
    asked = dataclasses.replace(asked, embedding_model=_name(dense), sparse_embedding_model=_name(sparse))
    if directory is not None and (directory / RECORDS_FILE).exists():
        return asked
    if dense and asked.type is IndexType.SPARSE:
        raise ClientError(f"embedding_model is {_name(dense)!r}; expected a type of DENSE or HYBRID with it")
    if sparse and asked.type is IndexType.DENSE:
        raise ClientError(
            f"sparse_embedding_model is {_name(sparse)!r}; expected a type of SPARSE or HYBRID with it"
        )
    models = Models(asked, dense, sparse)
    if sparse:
        models.sparse()
    return dataclasses.replace(asked, dimension=models.dense().dimension) if dense else asked


def models_of(kept: IndexSettings, dense: DenseModel, sparse: SparseModel) -> Models:
    """The models of an index as it is kept. Raises ClientError where others are asked for."""
    for name, asked, has in (
        ("embedding_model", dense, kept.embedding_model),
        ("sparse_embedding_model", sparse, kept.sparse_embedding_model),
    ):
        if asked and _name(asked) != has:
            was = f"with {has!r}" if has else "without a model"
            raise ClientError(f"{name} is {_name(asked)!r}, and the index was created {was}")
    return Models(kept, dense or kept.embedding_model, sparse or kept.sparse_embedding_model)


def _name(model: DenseModel | SparseModel) -> str:
    return model if isinstance(model, str) else model.name


def _is_text(record: Record) -> bool:
    return record.data is not None and record.vector is None and record.sparse_vector is None


def _text(record: Record) -> str:
    assert record.data is not None
    require_data(record.id, record.data)
    return record.data


def _checked(model: Embedder, vectors: Any, n: int) -> Floats:
    """What a model gave, which may be anybody's: (n, dimension) float32, finite."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.shape != (n, model.dimension):
        expected = (n, model.dimension)
        raise ClientError(
            f"the embedding model {model.name} gave vectors of shape {rows.shape}, not {expected}"
        )
    if not np.isfinite(rows).all():
        raise ClientError(f"the embedding model {model.name} gave a vector with a number that is not finite")
    return rows
