"""The table of endpoints: one row each, used by the server and by the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from clew import commands as c
from clew import types as t
from clew.wire import answers as a
from clew.wire import commands as read

ToCommand = Callable[[bytes, str, str], c.AnyCommand]
ToResult = Callable[[Any], Any]
ToAnswer = Callable[[Any, c.AnyCommand], Any]


class Operation(NamedTuple):
    """An endpoint.

    writes: whether a read-only token is refused.
    repeatable: whether it may be sent again when nobody knows what became of the first time.
    command: from body, namespace and query string (server). Raises ClientError.
    result: from the engine's answer to what JSON carries (server).
    reader: of a response (client).
    answer: from what the reader read, and the command it answers (client).
    """

    name: str
    writes: bool
    repeatable: bool
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
    writes: bool = False,
    repeatable: bool = False,
    kind: Any = str,
    result: ToResult = _same,
    answer: ToAnswer = _as_said,
) -> Operation:
    return Operation(name, writes, repeatable, command, result, a.decoder(kind), answer)


_HITS: dict[str, Any] = {
    "repeatable": True,
    "kind": list[a.Hit | list[a.Hit]],
    "result": a.hits_of_all,
    "answer": a.as_all_results,
}
# To begin a query twice leaves one behind until it idles out: harmless, but not for nothing.
_STARTED: dict[str, Any] = {
    "kind": a.Started,
    "result": a.started,
    "answer": lambda said, command: (said.uuid, a.as_results(said.scores)),
}

OPERATIONS = {
    row.name: row
    for row in (
        _row("upsert", _body(read.upsert), writes=True),
        _row("upsert-data", _body(read.upsert_data), writes=True),
        _row(
            "update",
            _body(read.update),
            writes=True,
            kind=a.Updated,
            result=lambda answer: a.Updated(answer.updated),
            answer=lambda said, command: t.UpdateResult(said.updated),
        ),
        _row("query", _body(read.query), **_HITS),
        _row("query-data", _body(read.query_data), **_HITS),
        _row("resumable-query", _body(read.start), **_STARTED),
        _row("resumable-query-data", _body(read.start_data), **_STARTED),
        _row(
            "resumable-query-next",
            _body(read.fetch_next),
            kind=list[a.Hit],
            result=a.hits,
            answer=lambda said, command: a.as_results(said),
        ),
        _row("resumable-query-end", _body(read.end)),
        _row(
            "fetch",
            _body(read.fetch),
            repeatable=True,
            kind=list[a.Found | None],
            result=a.all_found,
            answer=lambda said, command: list(map(a.as_record, said)),
        ),
        _row(
            "delete",
            _body(read.delete),
            writes=True,
            kind=a.Deleted,
            result=lambda answer: a.Deleted(answer.deleted),
            answer=lambda said, command: t.DeleteResult(said.deleted),
        ),
        _row(
            "range",
            _body(read.range_),
            repeatable=True,
            kind=a.Page,
            result=a.page,
            answer=lambda said, command: a.as_range(said),
        ),
        _row(
            "random",
            _no_body(c.Random),
            repeatable=True,
            kind=a.Found | None,
            result=a.found,
            answer=lambda said, command: a.as_record(said),
        ),
        _row(
            "info",
            _no_body(lambda namespace: c.Info()),
            repeatable=True,
            kind=a.About,
            result=a.about,
            answer=lambda said, command: a.as_info(said),
        ),
        _row("reset", _reset, writes=True),
        _row(
            "list-namespaces",
            _no_body(lambda namespace: c.ListNamespaces()),
            repeatable=True,
            kind=list[str],
        ),
        _row("delete-namespace", _no_body(c.DeleteNamespace), writes=True),
        _row(
            "rename-namespace",
            _body(read.rename),
            writes=True,
            kind=a.Renamed,
            result=lambda answer: a.Renamed(True),
            answer=lambda said, command: "Success",
        ),
    )
}
