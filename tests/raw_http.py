"""Requests as they go over the line, and their answers."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx

from opening import TOKEN

BODY = b'{"vector": [1, 0.5], "topK": 3}'


def request(
    http: httpx.Client, body: bytes = BODY, *more: str, path: str = "query", token: str = TOKEN
) -> bytes:
    lines = [
        f"POST {http.base_url.path}{path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        *more,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(line: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += line.recv(1)
    head = received.lower()
    at = head.index(b"content-length:") + 15
    size = int(head[at : head.index(b"\r", at)])
    body = b""
    while len(body) < size:
        body += line.recv(size - len(body))
    return int(received.split()[1]), json.loads(body)


def asked(line: socket.socket, sent: bytes) -> tuple[int, Any]:
    line.sendall(sent)
    return answer(line)
