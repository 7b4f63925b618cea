"""Embeddings from a server with the endpoint `/v1/embeddings`."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from clew import ClientError, ServerError, TransportError
from clew.text.endpoint import KEY_VARIABLE, TEXTS_PER_REQUEST, EndpointEmbedder


class Embeddings(http.server.ThreadingHTTPServer):
    """Embeds a text as its length, its vowels and 1, rows in any order; `wrong` is answered instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[dict[str, Any], str | None]] = []
        self.wrong: tuple[int, bytes] | None = None
        self.url = f"http://127.0.0.1:{self.server_port}/v1/embeddings"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Embeddings)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((asked, self.headers.get("Authorization")))
        rows = [
            {"object": "embedding", "index": i, "embedding": [len(text), sum(c in "aeiou" for c in text), 1]}
            for i, text in enumerate(asked["input"])
        ]
        body = {"object": "list", "data": rows[::-1], "model": asked["model"], "usage": {"total_tokens": 1}}
        status, content = server.wrong or (200, json.dumps(body).encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Embeddings]:
    with Embeddings() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_texts_come_back_as_vectors_in_their_order(server: Embeddings) -> None:
    made = EndpointEmbedder(f"{server.url}#small")
    assert made.dimension == 3
    texts = ["a" * (i % 50) for i in range(TEXTS_PER_REQUEST + 10)]
    rows = made.embed_documents(texts)
    assert rows.dtype == np.float32
    assert rows[:, 0].tolist() == [float(len(text)) for text in texts]
    assert made.embed_query("hello").tolist() == [5.0, 2.0, 1.0]
    assert {asked["model"] for asked, _ in server.asked} == {"small"}
    assert max(len(asked["input"]) for asked, _ in server.asked) == TEXTS_PER_REQUEST


def test_the_key_of_the_environment_is_sent_and_not_shown(
    server: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    EndpointEmbedder(f"{server.url}#small", 3).embed_query("x")
    monkeypatch.setenv(KEY_VARIABLE, "sesame")
    made = EndpointEmbedder(f"{server.url}#small", 3)
    made.embed_query("x")
    assert [key for _, key in server.asked] == [None, "Bearer sesame"]
    assert "sesame" not in made.name


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (401, b'{"error": "no key"}', "answered 401: .*no key"),
        (200, b"<html>", "sent no embeddings"),
        (200, b'{"data": []}', "sent 0 embeddings for 1 texts"),
        (200, b'{"data": [{"index": 0, "embedding": [1, 2]}]}', "sent 2 dimensions, not 3"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_the_server(
    server: Embeddings, status: int, content: bytes, said: str
) -> None:
    made = EndpointEmbedder(f"{server.url}#small", 3)
    server.wrong = (status, content)
    with pytest.raises(ServerError, match=said) as raised:
        made.embed_query("x")
    assert raised.value.status == 502


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(TransportError, match="ConnectError"):
        EndpointEmbedder(f"http://127.0.0.1:{port}/v1/embeddings#small")


def test_a_url_without_a_model_is_refused() -> None:
    with pytest.raises(ClientError, match="name the model behind a #"):
        EndpointEmbedder("http://127.0.0.1/v1/embeddings")
