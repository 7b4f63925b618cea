"""What an export says of the index it came from, so that an import makes an equal one."""

from __future__ import annotations

from typing import Any

import msgspec

from clew.errors import ClientError
from clew.tools.rows import About
from clew.types import IndexType, Metric

FORMAT = 1
KEY = "clew"
"""Under which it stands: in the first line of JSONL, in the metadata of a Parquet schema."""


class Header(msgspec.Struct):
    """As it is written. `namespaces` are in order of creation."""

    format: int
    dimension: int | None
    similarity_function: Metric
    namespaces: tuple[str, ...]
    records: int
    type: IndexType = IndexType.DENSE
    embedding_model: str = ""
    sparse_embedding_model: str = ""

    def about(self) -> About:
        """What an import wants to know."""
        return About(
            self.dimension,
            self.similarity_function,
            self.records,
            self.namespaces,
            self.type,
            self.embedding_model,
            self.sparse_embedding_model,
        )


def read(where: str, value: Any) -> Header:
    """The header that `value` (from JSON) is. Raises ClientError where it is none, or of another format."""
    if isinstance(value, dict) and value.get("format", FORMAT) != FORMAT:
        raise ClientError(f"{where} is an export of format {value['format']}; expected {FORMAT}")
    try:
        return msgspec.convert(value, Header)
    except msgspec.ValidationError as error:
        raise ClientError(f"{where} is not what an export says of its index: {error}") from error
