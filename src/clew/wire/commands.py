"""From the body of a request to its command: what the server does first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from clew import commands as c
from clew.errors import ClientError
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
_QUERY = msgspec.json.Decoder(b.QueryBody)
_QUERIES = msgspec.json.Decoder(b.Query)
_START = msgspec.json.Decoder(b.StartBody)
_NEXT = msgspec.json.Decoder(b.NextBody)
_END = msgspec.json.Decoder(b.EndBody)
_FETCH = msgspec.json.Decoder(b.Fetch)
_RANGE = msgspec.json.Decoder(b.RangeBody)
_RENAME = msgspec.json.Decoder(b.RenameBody)
_DELETE = msgspec.json.Decoder(b.Delete | bool | None)

_OBJECT_OR_ARRAY = re.compile(rb"\s*[{\[]")
_ARRAY = re.compile(rb"\s*\[")
# An array of at most ITEMS_MAX of anything, refused at the first item too many. A list with a maximal length
# is refused only once it is there as a whole: 9 MB of `{},` took 210 MB and held the GIL for 0.4 s.
_ITEMS = [(f"item_{i}", msgspec.Raw, None) for i in range(b.ITEMS_MAX)]
_FEW = msgspec.json.Decoder(msgspec.defstruct("Few", _ITEMS, array_like=True, forbid_unknown_fields=True))


class _IdsBody(msgspec.Struct):
    """What is looked at first of a large fetch."""

    ids: msgspec.Raw = msgspec.Raw()


_IDS = msgspec.json.Decoder(_IdsBody)


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
    return _queries(body, namespace, f.query)


def query_data(body: bytes, namespace: str) -> c.Query | c.QueryMany:
    """`/query-data`."""
    return _queries(body, namespace, f.text_query)


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
    if len(body) > TOGETHER_BYTES_MAX:
        _require_few_ids(body)
    asked = decoded(_FETCH, body)
    if isinstance(asked, list):
        return c.Fetch(f.ids(asked), namespace=namespace)
    return c.Fetch(f.ids(asked.ids), asked.prefix, f.include(asked), namespace)


def delete(body: bytes, namespace: str) -> c.Delete:
    """`/delete`. What is no JSON is an id as it stands; so is a JSON number, `true` or `null`."""
    asked: b.DeleteBody | list[b.Id] | b.Id | None = None
    try:
        asked = _DELETE.decode(body)
    except msgspec.ValidationError as error:
        if _OBJECT_OR_ARRAY.match(body) is not None:
            raise unreadable(body, error) from None
    except msgspec.DecodeError:
        pass
    except (RecursionError, UnicodeDecodeError) as error:
        raise unreadable(body, error) from None
    if isinstance(asked, b.DeleteBody):
        return c.Delete(f.ids(asked.ids), asked.prefix, asked.filter, namespace)
    if isinstance(asked, list):
        return c.Delete(f.ids(asked), namespace=namespace)
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


def _queries(
    body: bytes, namespace: str, make: Callable[[b.QueryBody, str], c.Query]
) -> c.Query | c.QueryMany:
    """One query or several, by what `make` makes of each."""
    if _ARRAY.match(body) is not None:
        try:
            items = _few(body, "queries")
            return c.QueryMany(tuple([make(_QUERY.decode(item), namespace) for item in items]), namespace)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # read as a whole, it says where it is wrong
    asked = decoded(_QUERIES, body)
    if isinstance(asked, list):
        return c.QueryMany(tuple([make(one, namespace) for one in asked]), namespace)
    return make(asked, namespace)


def _few(array: bytes | msgspec.Raw, what: str) -> list[msgspec.Raw]:
    """The items of an array. Raises ClientError where they are more than ITEMS_MAX."""
    try:
        items = msgspec.structs.astuple(_FEW.decode(array))
    except msgspec.ValidationError:
        raise ClientError(f"more than {b.ITEMS_MAX} {what} in one request") from None
    return [item for item in items if item is not None]


def _require_few_ids(body: bytes) -> None:
    """What is wrong otherwise is said by who reads all of it."""
    try:
        ids = msgspec.Raw(body) if _ARRAY.match(body) else _IDS.decode(body).ids
        if _ARRAY.match(ids):
            _few(ids, "ids")
    except msgspec.DecodeError:
        return


def _apart(decoder: msgspec.json.Decoder[T], body: bytes) -> list[T] | None:
    """The items of a large array; None for any other body, and for one that is wrong somewhere."""
    if len(body) <= TOGETHER_BYTES_MAX:
        return None
    try:
        return [decoder.decode(item) for item in _APART.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
