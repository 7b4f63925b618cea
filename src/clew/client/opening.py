"""From settings to a backend. What a backend needs is imported only when one of its kind is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.config import Settings
from clew.errors import ClientError

if TYPE_CHECKING:
    from clew.backends.base import AsyncBackend, Backend
    from clew.engine.engine import Engine


def open_backend(settings: Settings) -> Backend:
    """Who carries the commands of an `Index`."""
    engine = _open_engine(settings)
    from clew.backends.embedded import EmbeddedBackend

    return EmbeddedBackend(engine)


def open_async_backend(settings: Settings) -> AsyncBackend:
    """Who carries the commands of an `AsyncIndex`."""
    engine = _open_engine(settings)
    from clew.backends.embedded import AsyncEmbeddedBackend

    return AsyncEmbeddedBackend(engine)


def _open_engine(settings: Settings) -> Engine:
    if settings.url is not None:
        raise ClientError(
            f"{settings.url!r} is a server, and this version of clew has no HTTP client; "
            "give a directory, or unset CLEW_URL and UPSTASH_VECTOR_REST_URL for an index in memory"
        )
    from clew.engine.engine import Engine

    return Engine.open(settings.directory, dimension=settings.dimension, metric=settings.metric)
