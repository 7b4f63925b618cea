"""The OpenAPI document, and that the server answers as it says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from clew.engine.engine import Engine
from clew.wire import OPERATIONS
from opening import TOKEN, server

BODYLESS = {"info", "list-namespaces", "random", "reset", "delete-namespace"}


def described() -> dict[str, Any]:
    said: dict[str, Any] = httpx.get(f"{server().url}/openapi.json").json()
    return said


def test_the_document_has_every_endpoint_with_its_body_and_its_result() -> None:
    paths = described()["paths"]
    assert {path.split("/")[1] for path in paths} == set(OPERATIONS)
    for path, methods in paths.items():
        endpoint = path.split("/")[1]
        assert ("requestBody" in methods["post"]) == (endpoint not in BODYLESS)
        assert "200" in methods["post"]["responses"]
    assert "/query/{namespace}" in paths
    assert "/resumable-query-next/{namespace}" not in paths


def test_the_document_names_the_indexes_as_servers() -> None:
    hosted = server().host(Engine.open(None))
    assert {"url": f"/{hosted.name}"} in described()["servers"]
    server().stop(hosted)


@pytest.mark.slow
def test_the_server_does_what_the_document_says_whatever_it_is_sent() -> None:
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(described())
    schema.validate()
    held = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    hosted = server().host(Engine.open(None))
    url = f"{server().url}/{hosted.name}"
    headers = {"Authorization": f"Bearer {TOKEN}"}

    statuses: Counter[int] = Counter()

    def conforms(case: Any) -> None:
        answer = case.call_and_validate(base_url=url, headers=headers, checks=held)
        statuses[answer.status_code] += 1

    for operation in schema.get_all_operations():
        limits = settings(
            max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
        )
        limits(given(operation.ok().as_strategy())(conforms))()
    assert min(statuses[200], statuses[422]) > 50, statuses
    assert httpx.post(f"{url}/info", headers=headers).status_code == 200
    server().stop(hosted)
