"""From settings to a backend. What a backend needs is imported only when one of its kind is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.client.values import find_finite_by
from clew.config import Settings
from clew.errors import ClientError

if TYPE_CHECKING:
    from clew.backends.base import AsyncBackend, Backend
    from clew.engine.engine import Engine


def open_backend(settings: Settings) -> Backend:
    """Who carries the commands of an `Index`."""
    if settings.url is not None:
        _require_plain(settings)
        from clew.backends.remote import RemoteBackend

        return RemoteBackend(settings)
    engine = _open_engine(settings)
    from clew.backends.embedded import EmbeddedBackend

    return EmbeddedBackend(engine)


def open_async_backend(settings: Settings) -> AsyncBackend:
    """Who carries the commands of an `AsyncIndex`."""
    if settings.url is not None:
        _require_plain(settings)
        from clew.backends.remote import AsyncRemoteBackend

        return AsyncRemoteBackend(settings)
    engine = _open_engine(settings)
    from clew.backends.embedded_async import AsyncEmbeddedBackend

    return AsyncEmbeddedBackend(engine)


def _require_plain(settings: Settings) -> None:
    """What a server decides cannot be asked for; what the client of a server needs must be there."""
    models = settings.embedding_model or settings.sparse_embedding_model
    if models or any(asked is not None for asked in (settings.type, settings.dimension, settings.metric)):
        raise ClientError(
            f"{settings.url!r} is a server, and the index there has its dimension, "
            "similarity_function, type and models from its creation; leave them out"
        )
    try:
        import httpx  # noqa: F401
    except ImportError as error:
        raise ClientError(
            f"{settings.url!r} is a server, and httpx is missing: pip install 'clew[client]'"
        ) from error


def _open_engine(settings: Settings) -> Engine:
    from clew._core import all_finite
    from clew.engine.engine import Engine

    find_finite_by(all_finite)
    return Engine.open(
        settings.directory,
        dimension=settings.dimension,
        metric=settings.metric,
        type=settings.type,
        embedding_model=settings.embedding_model,
        sparse_embedding_model=settings.sparse_embedding_model,
        durability=settings.durability,
        read_only=settings.read_only,
        mapped=settings.mapped,
    )
