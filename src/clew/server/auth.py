"""Tokens: two for an index, kept as hashes and compared in constant time."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from dataclasses import dataclass

# 32 random bytes cannot be guessed, so a plain hash protects them as well as a slow one.
TOKEN_BYTES = 32


class Access(enum.Enum):
    """What a token permits."""

    NONE = "nothing"
    READ = "reading"
    FULL = "everything"


def new_token() -> str:
    """A token, to be shown once."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """What is kept of a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Tokens:
    """The digests of the tokens of an index. `full` of None: it is open to everybody."""

    full: str | None
    read_only: str | None = None

    def access(self, authorization: str | None) -> Access:
        """What the header `Authorization` of a request permits. It never raises."""
        if self.full is None:
            return Access.FULL
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return Access.NONE
        given = digest(token.strip())
        # Both are always compared, so that the time tells nothing about either.
        full = hmac.compare_digest(given, self.full)
        read_only = hmac.compare_digest(given, self.read_only or "")
        if full:
            return Access.FULL
        return Access.READ if read_only else Access.NONE
