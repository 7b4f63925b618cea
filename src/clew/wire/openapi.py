"""The OpenAPI document of the wire, made from the table of endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from clew.wire.failures import Failure
from clew.wire.operations import OPERATIONS, Operation

OPENAPI = "3.1.0"

# What an endpoint may answer beside its result. 500 is not among them: it is never meant.
FAILURES = {
    400: "The body is not JSON, or of the wrong shape.",
    401: "The token is missing or wrong.",
    403: "The token only reads.",
    404: "There is no such index, namespace or resumable query.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "An argument cannot be used.",
    429: "Too many resumable queries are open.",
    503: "The server is stopping.",
}

ABOUT = (
    "The wire of the Upstash Vector SDKs. GET, PUT and DELETE work like POST, the content type does not "
    "matter, and a namespace may hold anything, slashes too."
)

Schema = dict[str, Any]


def document(version: str) -> Schema:
    """The document as JSON carries it. version: of Clew."""
    rows = list(OPERATIONS.values())
    bodies = [row for row in rows if row.reads is not None]
    schemas, components = msgspec.json.schema_components(
        [Failure, *(row.gives for row in rows), *(row.reads for row in bodies)],
        ref_template="#/components/schemas/{name}",
    )
    failure, of_results, of_bodies = schemas[0], schemas[1 : 1 + len(rows)], schemas[1 + len(rows) :]
    read = dict(zip((row.name for row in bodies), of_bodies, strict=True))
    paths: Schema = {}
    for row, result in zip(rows, of_results, strict=True):
        said = _responses(result, failure)
        for path, parameters in _paths(row):
            paths[path] = {"post": _operation(row, path, parameters, read.get(row.name), said)}
    return {
        "openapi": OPENAPI,
        "info": {"title": "Clew", "version": version, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _paths(row: Operation) -> Iterator[tuple[str, list[Schema]]]:
    flags = [{"name": name, "in": "query", "schema": {"type": "boolean"}} for name in row.flags]
    yield f"/{row.name}", flags
    if row.namespaced:
        namespace = {
            "name": "namespace",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "Percent-encoded. Left out with its slash: the default namespace.",
        }
        yield f"/{row.name}/{{namespace}}", [namespace, *flags]


def _operation(
    row: Operation, path: str, parameters: list[Schema], body: Schema | None, responses: Schema
) -> Schema:
    made: Schema = {
        "operationId": path.strip("/").replace("/{namespace}", "-in-namespace"),
        "summary": f"Needs the full token: {row.name}" if row.writes else row.name,
        "parameters": parameters,
        "responses": responses,
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return made


def _responses(result: Schema, failure: Schema) -> Schema:
    envelope = {"type": "object", "properties": {"result": result}, "required": ["result"]}
    answers = {200: ("The result.", envelope), **{n: (text, failure) for n, text in FAILURES.items()}}
    return {
        str(status): {"description": text, "content": {"application/json": {"schema": schema}}}
        for status, (text, schema) in answers.items()
    }
