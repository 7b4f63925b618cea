"""The namespaces of an index that is opened: from images where they can be used, and from the records."""

from __future__ import annotations

from array import array

from clew.engine.catalog import Catalog
from clew.engine.images import Images
from clew.engine.namespace import Namespace
from clew.engine.vectors import from_blobs
from clew.errors import Corruption

# Vectors are handed to the graph of their namespace in stretches of this many.
STRETCH_ROWS = 65_536


def rebuild(catalog: Catalog, images: Images) -> None:
    """Show the namespaces that the records hold. What images have of them is not linked again."""
    stored = catalog.records.namespaces()
    images.tidy(one.number for one in stored)
    if catalog.dimension is None:
        return
    by_number, since = {}, {}
    for one in stored:
        generation = images.load(one, catalog.records, catalog.writing)
        if generation is not None:
            since[one.number] = generation.snapshot.end_row
        by_number[one.number] = namespace = Namespace(
            one.name,
            one.number,
            generation or catalog.empty(catalog.dimension),
            one.next_position,
            one.purged_seq,
        )
        if generation is not None:
            images.loaded(namespace)
    _link_all(catalog, by_number, since)
    catalog.namespaces = {namespace.name: namespace for namespace in by_number.values()}


def _link_all(catalog: Catalog, by_number: dict[int, Namespace], since: dict[int, int]) -> None:
    """Link the live rows; of the namespaces in `since` from that row on."""
    waiting = {number: _Stretch() for number in by_number}
    for row, number, position, id, vector in catalog.records.live(since):
        stretch = waiting[number]
        stretch.add(row, position, id, vector)
        if len(stretch.ids) == STRETCH_ROWS:
            _link(catalog, by_number[number], stretch)
            waiting[number] = _Stretch()
    for number, stretch in waiting.items():
        if stretch.ids:
            _link(catalog, by_number[number], stretch)


def _link(catalog: Catalog, namespace: Namespace, stretch: _Stretch) -> None:
    dimension = catalog.dimension or 0
    try:
        vectors = from_blobs(catalog.type, dimension, stretch.vectors)
    except ValueError as error:
        raise Corruption(catalog.name, f"vectors of {dimension} dimensions", str(error)) from error
    namespace.generation.apply(
        stretch.ids, vectors, stretch.rows, stretch.positions, (), catalog.seq, catalog.threads
    )


class _Stretch:
    """Rows of one namespace that wait to be linked."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.rows = array("q")
        self.positions = array("q")
        self.vectors: list[bytes] = []

    def add(self, row: int, position: int, id: str, vector: bytes) -> None:
        self.ids.append(id)
        self.rows.append(row)
        self.positions.append(position)
        self.vectors.append(vector)
