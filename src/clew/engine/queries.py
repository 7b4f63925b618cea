"""Queries: read once, many at once, or kept open."""

from __future__ import annotations

import numpy as np

from clew._core import scores
from clew.commands import (
    DEFAULT_NAMESPACE,
    EndQuery,
    Floats,
    Query,
    QueryArrays,
    QueryMany,
    StartQuery,
)
from clew.engine.catalog import Catalog
from clew.engine.check import (
    require_count,
    require_dimension,
    require_halves,
    require_max_idle,
    require_query,
)
from clew.engine.namespace import Namespace
from clew.engine.parts import HybridAsked
from clew.engine.seek import opened
from clew.engine.sessions import Sessions
from clew.errors import ClientError
from clew.filters import parse
from clew.types import IndexType, QueryResult


class Queries:
    """Answers queries. Takes no lock that a writer holds for long."""

    def __init__(self, catalog: Catalog, sessions: Sessions) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self.fetch_next = sessions.fetch  # not a method around it: a small batch feels every call

    def query(self, query: Query) -> list[QueryResult]:
        """The nearest records that match, nearest first."""
        catalog = self._catalog
        asked = require_query(query, catalog.type, catalog.dimension)
        namespace = catalog.namespaces.get(query.namespace)
        if namespace is None:
            return _nothing(query.filter)
        generation = namespace.generation
        hits = generation.search(asked, query.top_k, query.filter)
        # As `scale_of`, and nearly every query without a call.
        scale = generation.metric if generation.dense else generation.scale_of(asked)
        results = generation.results(hits, query.include, scale)
        if namespace.gone:  # meanwhile, perhaps before its records were read: as if asked only now
            return self.query(query)
        return results

    def query_many(self, command: QueryMany) -> list[list[QueryResult]]:
        """Several queries, in order."""
        catalog, queries = self._catalog, command.queries
        asked = [require_query(query, catalog.type, catalog.dimension) for query in queries]
        namespace = catalog.namespaces.get(command.namespace)
        if namespace is None:
            return [_nothing(query.filter) for query in queries]
        generation = namespace.generation
        alike = len({(query.top_k, query.filter, query.weighting_strategy) for query in queries}) == 1
        if alike and catalog.type is not IndexType.HYBRID:
            first = queries[0]
            hits = generation.search_many(asked, first.top_k, first.filter, catalog.threads)
        else:
            hits = [
                generation.search(one, query.top_k, query.filter)
                for one, query in zip(asked, queries, strict=True)
            ]
        results = [
            generation.results(found, query.include, generation.scale_of(one))
            for query, one, found in zip(queries, asked, hits, strict=True)
        ]
        return self.query_many(command) if namespace.gone else results

    def query_arrays(self, command: QueryArrays) -> tuple[list[list[str]], list[Floats]]:
        """Many dense queries at once: ids and scores of each."""
        catalog, vectors = self._catalog, command.vectors
        if vectors.ndim != 2:
            raise ClientError(f"vectors must have shape (n, dimension), got {vectors.shape}")
        if not len(vectors):
            return [], []
        require_halves(catalog.type, True, catalog.type is IndexType.HYBRID)
        require_dimension(vectors.shape[1], catalog.dimension)
        require_count("top_k", command.top_k)
        namespace = catalog.namespaces.get(command.namespace)
        if namespace is None:
            _nothing(command.filter)
            return [[] for _ in vectors], [np.empty(0, dtype=np.float32) for _ in vectors]
        generation = namespace.generation
        if catalog.type is IndexType.DENSE:
            hits = generation.search_many(vectors, command.top_k, command.filter, catalog.threads)
        else:
            halves = [HybridAsked(vector, None) for vector in vectors]
            hits = [generation.search(half, command.top_k, command.filter) for half in halves]
        name_of = generation.ids.__getitem__
        ids = [list(map(name_of, found.slots.tolist())) for found in hits]
        distances = np.concatenate([found.distances for found in hits])
        values = np.array(scores(distances, generation.metric), dtype=np.float32)
        ends = np.cumsum([len(found) for found in ids])[:-1]
        return ids, list(np.split(values, ends))

    def start(self, command: StartQuery) -> tuple[str, list[QueryResult]]:
        """Open a resumable query; its uuid and first batch."""
        query, catalog = command.query, self._catalog
        require_query(query, catalog.type, catalog.dimension)
        require_max_idle(command.max_idle_s)
        self._sessions.require_room()
        namespace = catalog.namespaces.get(query.namespace)
        if namespace is None:
            _nothing(query.filter)
            if query.namespace != DEFAULT_NAMESPACE:
                return "", []
            # The default namespace exists, but there is no dimension yet and so no graph.
            namespace = Namespace(
                DEFAULT_NAMESPACE, catalog.default_number, catalog.empty(catalog.dimension_for(query))
            )
        stream, snapshot, query = opened(namespace.generation, query)
        started = self._sessions.start(query, namespace, snapshot, stream, command.max_idle_s)
        return started if started[0] else self.start(command)  # the namespace went meanwhile

    def end(self, command: EndQuery) -> str:
        """Stop a resumable query."""
        self._sessions.end(command.uuid)
        return "Success"


def _nothing(filter: str) -> list[QueryResult]:
    """What a namespace without records answers, if the filter is one."""
    if filter:
        parse(filter)
    return []
