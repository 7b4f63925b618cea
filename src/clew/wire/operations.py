"""The table of endpoints: one row each, used by the server and by the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from clew import commands as c
from clew import types as t
from clew.wire import answers as a
from clew.wire import bodies as b
from clew.wire import commands as read
from clew.wire import results as r

ToCommand = Callable[[bytes, str, str], c.AnyCommand]
ToResult = Callable[[Any], Any]
ToAnswer = Callable[[Any, c.AnyCommand], Any]


class Operation(NamedTuple):
    """An endpoint.

    writes: whether a read-only token is refused.
    repeatable: whether it may be sent again when nobody knows what became of the first time.
    reads: the type of its body; None where it looks at none.
    gives: the type of its result.
    flags: what its query string may hold.
    namespaced: whether the rest of its path is a namespace.
    command: from body, namespace and query string (server). Raises ClientError.
    result: from the engine's answer to what JSON carries (server).
    reader: of a response (client).
    answer: from what the reader read, and the command it answers (client).
    """

    name: str
    writes: bool
    repeatable: bool
    reads: Any
    gives: Any
    flags: tuple[str, ...]
    namespaced: bool
    command: ToCommand
    result: ToResult
    reader: msgspec.json.Decoder[a.Envelope[Any]]
    answer: ToAnswer


def _body(make: Callable[[bytes, str], c.AnyCommand]) -> ToCommand:
    return lambda body, namespace, query_string: make(body, namespace)


def _no_body(make: Callable[[str], c.AnyCommand]) -> ToCommand:
    """Clients send all sorts of things where nothing is asked for; none of it is looked at."""
    return lambda body, namespace, query_string: make(namespace)


def _reset(body: bytes, namespace: str, query_string: str) -> c.Reset:
    """`?all`, with or without a value, means every namespace."""
    asked = parse_qs(query_string, keep_blank_values=True).get("all")
    return c.Reset(namespace, asked is not None and asked[-1].lower() != "false")


def _same(said: Any) -> Any:
    return said


def _as_said(said: Any, command: c.AnyCommand) -> Any:
    return said


def _row(
    name: str,
    command: ToCommand,
    *,
    reads: Any = None,
    writes: bool = False,
    repeatable: bool = False,
    gives: Any = str,
    flags: tuple[str, ...] = (),
    namespaced: bool = True,
    result: ToResult = _same,
    answer: ToAnswer = _as_said,
) -> Operation:
    kinds = (reads, gives, flags, namespaced)
    return Operation(name, writes, repeatable, *kinds, command, result, a.decoder(gives), answer)


_HITS: dict[str, Any] = {
    "repeatable": True,
    "gives": list[t.QueryResult | list[t.QueryResult]],
    "result": r.hits_of_all,
    "answer": r.as_all_results,
}
# To begin a query twice leaves one behind until it idles out: harmless, but not for nothing.
_STARTED: dict[str, Any] = {
    "gives": a.Started,
    "result": r.started,
    "answer": lambda said, command: (said.uuid, said.scores),
}

OPERATIONS = {
    row.name: row
    for row in (
        _row("upsert", _body(read.upsert), reads=b.Upsert, writes=True),
        _row("upsert-data", _body(read.upsert_data), reads=b.UpsertData, writes=True),
        _row(
            "update",
            _body(read.update),
            reads=b.UpdateBody,
            writes=True,
            gives=a.Updated,
            result=lambda answer: a.Updated(answer.updated),
            answer=lambda said, command: t.UpdateResult(said.updated),
        ),
        _row("query", _body(read.query), reads=b.Query, **_HITS),
        _row("query-data", _body(read.query_data), reads=b.Query, **_HITS),
        _row("resumable-query", _body(read.start), reads=b.StartBody, **_STARTED),
        _row("resumable-query-data", _body(read.start_data), reads=b.StartBody, **_STARTED),
        _row(
            "resumable-query-next",
            _body(read.fetch_next),
            reads=b.NextBody,
            namespaced=False,
            gives=list[t.QueryResult],
            result=r.apart,
        ),
        _row("resumable-query-end", _body(read.end), reads=b.EndBody, namespaced=False),
        _row(
            "fetch",
            _body(read.fetch),
            reads=b.Fetch,
            repeatable=True,
            gives=list[t.FetchResult | None],
            result=r.apart,
        ),
        _row(
            "delete",
            _body(read.delete),
            reads=b.Delete,
            writes=True,
            gives=a.Deleted,
            result=lambda answer: a.Deleted(answer.deleted),
            answer=lambda said, command: t.DeleteResult(said.deleted),
        ),
        _row(
            "range",
            _body(read.range_),
            reads=b.RangeBody,
            repeatable=True,
            gives=t.RangeResult,
            result=r.page,
        ),
        _row("random", _no_body(c.Random), repeatable=True, gives=t.FetchResult | None),
        _row(
            "info",
            _no_body(lambda namespace: c.Info()),
            namespaced=False,
            repeatable=True,
            gives=a.About,
            result=r.about,
            answer=lambda said, command: r.as_info(said),
        ),
        _row("reset", _reset, writes=True, flags=("all",)),
        _row(
            "list-namespaces",
            _no_body(lambda namespace: c.ListNamespaces()),
            namespaced=False,
            repeatable=True,
            gives=list[str],
        ),
        _row("delete-namespace", _no_body(c.DeleteNamespace), writes=True),
        _row(
            "rename-namespace",
            _body(read.rename),
            reads=b.RenameBody,
            namespaced=False,
            writes=True,
            gives=a.Renamed,
            result=lambda answer: a.Renamed(True),
            answer=lambda said, command: "Success",
        ),
    )
}
