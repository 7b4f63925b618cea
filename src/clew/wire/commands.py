"""From the body of a request to its command: what the server does first."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from clew import commands as c
from clew.types import MetadataUpdateMode
from clew.wire import bodies as b
from clew.wire import fields as f
from clew.wire.failures import unreadable

T = TypeVar("T")

RANGE_LIMIT_DEFAULT = 10

# Larger bodies are decoded record by record. One call that decodes them all would hold the GIL, and with it
# everybody else, for tenths of a second.
TOGETHER_BYTES_MAX = 256 * 1024

_RECORD = msgspec.json.Decoder(b.RecordBody)
_RECORDS = msgspec.json.Decoder(b.Upsert)
_TEXT = msgspec.json.Decoder(b.DataBody)
_TEXTS = msgspec.json.Decoder(b.UpsertData)
_APART = msgspec.json.Decoder(list[msgspec.Raw])
_UPDATE = msgspec.json.Decoder(b.UpdateBody)
_QUERIES = msgspec.json.Decoder(b.Query)
_START = msgspec.json.Decoder(b.StartBody)
_NEXT = msgspec.json.Decoder(b.NextBody)
_END = msgspec.json.Decoder(b.EndBody)
_FETCH = msgspec.json.Decoder(b.Fetch)
_RANGE = msgspec.json.Decoder(b.RangeBody)
_RENAME = msgspec.json.Decoder(b.RenameBody)
_ANY = msgspec.json.Decoder()


def upsert(body: bytes, namespace: str) -> c.Upsert:
    """`/upsert`."""
    records = _apart(_RECORD, body) or decoded(_RECORDS, body)
    if isinstance(records, b.RecordBody):
        records = [records]
    return c.Upsert(tuple([f.record(record) for record in records]), namespace, embed=False)


def upsert_data(body: bytes, namespace: str) -> c.Upsert:
    """`/upsert-data`."""
    texts = _apart(_TEXT, body) or decoded(_TEXTS, body)
    if isinstance(texts, b.DataBody):
        texts = [texts]
    return c.Upsert(tuple([f.text(text) for text in texts]), namespace)


def update(body: bytes, namespace: str) -> c.Update:
    """`/update`."""
    asked = decoded(_UPDATE, body)
    mode = f.enumerated(asked.metadata_update_mode, "metadataUpdateMode", MetadataUpdateMode)
    return c.Update(f.record(asked), mode or MetadataUpdateMode.OVERWRITE, namespace)


def query(body: bytes, namespace: str) -> c.Query | c.QueryMany:
    """`/query`."""
    asked = decoded(_QUERIES, body)
    if isinstance(asked, list):
        return c.QueryMany(tuple([f.query(one, namespace) for one in asked]), namespace)
    return f.query(asked, namespace)


def query_data(body: bytes, namespace: str) -> c.Query | c.QueryMany:
    """`/query-data`."""
    asked = decoded(_QUERIES, body)
    if isinstance(asked, list):
        return c.QueryMany(tuple([f.text_query(one, namespace) for one in asked]), namespace)
    return f.text_query(asked, namespace)


def start(body: bytes, namespace: str) -> c.StartQuery:
    """`/resumable-query`."""
    asked = decoded(_START, body)
    return c.StartQuery(f.query(asked, namespace), f.max_idle_s(asked))


def start_data(body: bytes, namespace: str) -> c.StartQuery:
    """`/resumable-query-data`."""
    asked = decoded(_START, body)
    return c.StartQuery(f.text_query(asked, namespace), f.max_idle_s(asked))


def fetch_next(body: bytes, namespace: str) -> c.FetchNext:
    """`/resumable-query-next`."""
    asked = decoded(_NEXT, body)
    k = c.TOP_K_DEFAULT if asked.additional_k is None else asked.additional_k
    return c.FetchNext(asked.uuid, k, asked.batch)


def end(body: bytes, namespace: str) -> c.EndQuery:
    """`/resumable-query-end`."""
    return c.EndQuery(decoded(_END, body).uuid)


def fetch(body: bytes, namespace: str) -> c.Fetch:
    """`/fetch`."""
    asked = decoded(_FETCH, body)
    if isinstance(asked, list):
        return c.Fetch(f.ids(asked), namespace=namespace)
    return c.Fetch(f.ids(asked.ids), asked.prefix, f.include(asked), namespace)


def delete(body: bytes, namespace: str) -> c.Delete:
    """`/delete`. What is no JSON is an id as it stands; so is a JSON number, `true` or `null`."""
    try:
        asked = _ANY.decode(body)
    except msgspec.DecodeError:
        asked = None
    except (RecursionError, UnicodeDecodeError) as error:
        raise unreadable(body, error) from None
    if isinstance(asked, list | dict):
        try:
            if isinstance(asked, list):
                return c.Delete(f.ids(msgspec.convert(asked, list[b.Id])), namespace=namespace)
            said = msgspec.convert(asked, b.DeleteBody)
        except msgspec.ValidationError as error:
            raise unreadable(body, error) from None
        return c.Delete(f.ids(said.ids), said.prefix, said.filter, namespace)
    try:
        text = asked if isinstance(asked, str) else body.decode().strip()
    except UnicodeDecodeError as error:
        raise unreadable(body, error) from None
    return c.Delete((text,) if body.strip() else None, namespace=namespace)


def range_(body: bytes, namespace: str) -> c.Range:
    """`/range`."""
    asked = decoded(_RANGE, body)
    cursor = "" if asked.cursor is None else str(asked.cursor)
    limit = RANGE_LIMIT_DEFAULT if asked.limit is None else asked.limit
    return c.Range(cursor, limit, asked.prefix, f.include(asked), namespace)


def rename(body: bytes, namespace: str) -> c.RenameNamespace:
    """`/rename-namespace`."""
    asked = decoded(_RENAME, body)
    return c.RenameNamespace(
        asked.namespace, asked.new_namespace, f.flag(asked.delete_existing, "deleteExisting")
    )


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body, or `Unreadable`."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(body, error) from None


def _apart(decoder: msgspec.json.Decoder[T], body: bytes) -> list[T] | None:
    """The items of a large array; None for any other body, and for one that is wrong somewhere."""
    if len(body) <= TOGETHER_BYTES_MAX:
        return None
    try:
        return [decoder.decode(item) for item in _APART.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
