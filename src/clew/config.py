"""Where an index is and how it is made: a keyword wins over the environment, and that over a default."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from clew.errors import ClientError
from clew.types import Durability, Embedder, IndexType, Metric, SparseEncoder

# The first that is set wins. The second names are those of the Upstash SDKs, so that what is
# configured for them works here.
URL_VARIABLES = ("CLEW_URL", "UPSTASH_VECTOR_REST_URL")
TOKEN_VARIABLES = ("CLEW_TOKEN", "UPSTASH_VECTOR_REST_TOKEN")

MEMORY = ":memory:"
# As of a URL whose scheme was left out: "localhost:8080/films".
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+(/|$)")
RETRIES_DEFAULT = 3
RETRY_INTERVAL_S_DEFAULT = 1.0
# A write is answered once it is indexed, which takes a while for thousands of records.
TIMEOUT_S_DEFAULT = 120.0

Location = str | os.PathLike[str]
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an index is opened with: a server where `url` is set, else a directory, else memory."""

    url: str | None = None
    token: str | None = None
    directory: str | None = None
    dimension: int | None = None
    metric: Metric | None = None
    type: IndexType | None = None
    embedding_model: str | Embedder = ""
    sparse_embedding_model: str | SparseEncoder = ""
    durability: Durability = Durability.FULL
    read_only: bool = False
    mapped: bool | None = None
    retries: int = RETRIES_DEFAULT
    retry_interval_s: float = RETRY_INTERVAL_S_DEFAULT
    timeout_s: float = TIMEOUT_S_DEFAULT

    @property
    def location(self) -> str:
        """What `Index` would take for its first argument."""
        return self.url or self.directory or MEMORY


def resolve(
    location: Location | None = None,
    token: str | None = None,
    *,
    url: str | None = None,
    dimension: int | None = None,
    similarity_function: Metric | str | None = None,
    type: IndexType | str | None = None,
    embedding_model: str | Embedder | None = None,
    sparse_embedding_model: str | SparseEncoder | None = None,
    durability: Durability | str = Durability.FULL,
    read_only: bool = False,
    mapped: bool | None = None,
    retries: int = RETRIES_DEFAULT,
    retry_interval: float = RETRY_INTERVAL_S_DEFAULT,
    timeout: float = TIMEOUT_S_DEFAULT,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings that these arguments and the environment amount to.

    `location` is a URL, a directory or ":memory:"; without it and `url`, the environment decides.
    Raises ClientError for a contradiction or a value of the wrong kind.
    """
    where = _where(location, url)
    if where is None:
        where = _first(URL_VARIABLES, environment) or MEMORY
    remote = where.startswith(("http://", "https://"))
    if url is not None and not remote:
        raise ClientError(f"url is {url!r}; expected one that starts with http:// or https://")
    if remote and not _names_server(where):
        name = "location" if location is not None else "url"
        raise ClientError(
            f"{name} is {where!r}; expected the name of a server, and perhaps a port, after http:// or https://"
        )
    _require_flag("read_only", read_only, "True or False")
    if mapped is not None:
        _require_flag("mapped", mapped, "True, False or None")
    if token is not None and not remote:
        raise ClientError(f"token is for a server, and {where!r} is none; leave it out")
    durable = durability_of(durability)
    kept = read_only or durable is not Durability.FULL or mapped is not None
    if kept and (remote or where == MEMORY):
        raise ClientError(
            f"durability, read_only and mapped are for a directory, and {where!r} is none; leave them out"
        )
    return Settings(
        url=where if remote else None,
        token=_token(token or _first(TOKEN_VARIABLES, environment)) if remote else None,
        directory=None if remote or where == MEMORY else where,
        dimension=_dimension(dimension),
        metric=_metric(similarity_function),
        type=_type(type),
        embedding_model=_model("embedding_model", embedding_model, "embed_documents"),
        sparse_embedding_model=_model("sparse_embedding_model", sparse_embedding_model, "encode_documents"),
        durability=durable,
        read_only=read_only,
        mapped=mapped,
        retries=_retries(retries),
        retry_interval_s=_retry_interval_s(retry_interval),
        timeout_s=_timeout_s(timeout),
    )


def durability_of(value: Durability | str) -> Durability:
    """The setting that `value` names. Raises ClientError for another."""
    try:
        return Durability(value)
    except ValueError:
        raise ClientError(f"durability is {value!r}; expected one of {', '.join(Durability)}") from None


def from_env(
    *,
    retries: int = RETRIES_DEFAULT,
    retry_interval: float = RETRY_INTERVAL_S_DEFAULT,
    timeout: float = TIMEOUT_S_DEFAULT,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of the server that the environment names. Raises ClientError where it names none."""
    url = _first(URL_VARIABLES, environment)
    if url is None:
        raise ClientError(f"the environment names no server: set {' or '.join(URL_VARIABLES)}")
    return resolve(
        url=url, retries=retries, retry_interval=retry_interval, timeout=timeout, environment=environment
    )


def _where(location: Location | None, url: str | None) -> str | None:
    if location is None:
        return url
    if url is not None:
        raise ClientError(f"both a location ({location!r}) and url ({url!r}) are given; expected one of them")
    where = os.path.expanduser(location) if isinstance(location, str | os.PathLike) else None
    if where == "":
        raise ClientError("location is ''; leave it out for an index in memory")
    if (
        not isinstance(where, str)
        or "\0" in where
        or ("://" in where and not where.startswith(("http://", "https://")))
    ):
        raise ClientError(
            f"location is {location!r}; expected a directory, a URL that starts with http:// or https://,"
            f" or {MEMORY!r}"
        )
    if _HOST_AND_PORT.match(where):
        raise ClientError(
            f"location is {location!r}; expected 'http://{where}' for that server, "
            f"or './{where}' for a directory"
        )
    return where


def _names_server(url: str) -> bool:
    from urllib.parse import urlsplit  # here, as only the index of a server need wait for it

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:  # as of "http://[::1" or "http://host:x"
        return False


def _require_flag(name: str, value: object, expected: str) -> None:
    if not isinstance(value, bool):
        raise ClientError(f"{name} is {value!r}; expected {expected}")


def _token(token: str | None) -> str | None:
    """Without the line break of a file it was read from. No error shows it."""
    if token is None:
        return None
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise ClientError("token has characters that no header can carry; expected printable ASCII")
    return token


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _dimension(dimension: int | None) -> int | None:
    if dimension is None:
        return None
    if hasattr(dimension, "__index__") and not isinstance(dimension, bool):
        value = operator.index(dimension)  # NumPy's ints too
        if value >= 1:
            return value
    raise ClientError(f"dimension is {dimension!r}; expected an int of at least 1")


def _retries(retries: int) -> int:
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        return retries
    raise ClientError(f"retries is {retries!r}; expected an int of at least 0")


def _retry_interval_s(interval: float) -> float:
    if isinstance(interval, int | float) and not isinstance(interval, bool) and 0 <= interval < float("inf"):
        return interval
    raise ClientError(f"retry_interval is {interval!r}; expected seconds, at least 0")


def _timeout_s(timeout: float) -> float:
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout < float("inf"):
        return timeout
    raise ClientError(f"timeout is {timeout!r}; expected seconds, more than 0")


def _model(name: str, model: M | None, method: str) -> M | str:
    if model is None:
        return ""
    if (isinstance(model, str) and model) or callable(getattr(model, method, None)):
        return model
    raise ClientError(f"{name} is {model!r}; expected the name of a model, or an object with {method}()")


def _type(type: IndexType | str | None) -> IndexType | None:
    if type is None:
        return None
    try:
        return IndexType(type)
    except ValueError:
        raise ClientError(f"type is {type!r}; expected one of {', '.join(IndexType)}") from None


def _metric(similarity_function: Metric | str | None) -> Metric | None:
    if similarity_function is None:
        return None
    try:
        return Metric(similarity_function)
    except ValueError:
        raise ClientError(
            f"similarity_function is {similarity_function!r}; expected one of {', '.join(Metric)}"
        ) from None
