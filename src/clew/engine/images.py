"""The images of an index in a directory: which there are, which can be used, when they are made anew."""

from __future__ import annotations

import logging
import os
import re
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from clew._core import DamagedImage, Graph
from clew.engine.catalog import Catalog
from clew.engine.disk import sync_directory
from clew.engine.fair import FairLock
from clew.engine.generation import Generation
from clew.engine.image import UnfitImage, encode_note, image_path, note_of, read_image, state_of
from clew.engine.memory import fits_memory
from clew.engine.namespace import Namespace
from clew.engine.parts import HybridPart
from clew.engine.records import Records, StoredNamespace
from clew.engine.restored import restored

# In the background an image is made anew once so many slots are not in the last, and that is so large a share
# of all. Writing a slot takes 2 to 10 us and linking one 200 to 1,000, so that images cost a load some per
# cent; and after a crash a quarter of the slots at most, or 10,000, are linked anew.
NEW_SLOTS_MIN, NEW_SHARE_MIN = 10_000, 0.25

# At a close once they are more than this share: below it linking them when it is opened takes less time than
# writing all.
CLOSE_SHARE_MIN = 1 / 200

# A writer that changes the namespace while its note is put together makes it worthless. After so many of
# those the note is put together while writers wait, some 50 ms for each million slots.
OVERTAKEN_MAX = 4

_NAME = re.compile(r"clew\.(\d+)\.image(\.new|\.damaged)?")

_log = logging.getLogger("clew.images")


class Images:
    """The images in `directory`, one for each namespace whose graph has edges; with None there are none.

    mapped: whether the vectors of images that are read stay in the file; None: where they would take most of
    the memory. read_only: images are read and nothing is changed. One call at a time, but for `due`.
    """

    def __init__(
        self, directory: Path | None, *, mapped: bool | None = None, read_only: bool = False
    ) -> None:
        self._directory = directory
        self._mapped = mapped
        self._read_only = read_only
        # By number: the namespace, the generation that its image shows, and how many slots of it.
        self._kept: dict[int, tuple[Namespace, weakref.ref[Generation], int]] = {}
        self._refused: dict[int, int] = {}  # how many slots there were when an image could not be written

    # -- reading

    def load(self, stored: StoredNamespace, records: Records, writing: FairLock) -> Generation | None:
        """The generation that the image of a namespace shows, without what was removed since; what was added
        since is yet to be linked. None where there is no image that can be used: one that is damaged is set
        aside.
        """
        if self._directory is None or not records.settings.dimension:
            return None
        path = self._path(stored.number)
        try:
            graph, note = read_image(path, mapped=self._maps(path))
            return restored(graph, note, stored, records, writing)
        except FileNotFoundError:
            return None
        except UnfitImage as unfit:
            _log.info("%s cannot be used, and the graph is made anew: %s", path, unfit)
            if not self._read_only:
                _remove(path)
        except DamagedImage as damage:
            _log.warning("%s is damaged, and the graph is made anew from the records: %s", path, damage)
            if not self._read_only:
                with suppress(OSError):
                    path.replace(f"{path}.damaged")
        except OSError as error:
            _log.warning("%s cannot be read, and the graph is made anew from the records: %s", path, error)
        return None

    def loaded(self, namespace: Namespace) -> None:
        """`namespace` was made from its image."""
        generation = namespace.generation
        self._kept[namespace.number] = (namespace, weakref.ref(generation), generation.graph.size)

    def tidy(self, numbers: Iterable[int]) -> None:
        """Remove what is left of images that were not finished, and those of namespaces not among these."""
        if self._directory is None or self._read_only:
            return
        known = set(numbers)
        for path in self._directory.iterdir():
            found = _NAME.fullmatch(path.name)
            if found and (found[2] == ".new" or int(found[1]) not in known):
                _remove(path)

    # -- writing

    def due(self, namespace: Namespace) -> bool:
        """Whether an image is to be made in the background."""
        size, new = self._unseen(namespace)
        new = min(new, size - self._refused.get(namespace.number, 0))
        return new > max(NEW_SLOTS_MIN, size * NEW_SHARE_MIN)

    def keep_up(self, catalog: Catalog) -> None:
        """Make the images that are due, and remove those of namespaces that are gone. Raises what `exclusive`
        of the catalog raises.
        """
        self._forget_gone()
        for namespace in catalog.namespaces.values():
            if self.due(namespace):
                self._write(namespace, catalog)

    def finish(self, catalog: Catalog) -> None:
        """The same before a close: those are made whose making takes less than linking what they lack."""
        self._forget_gone()
        for namespace in catalog.namespaces.values():
            size, new = self._unseen(namespace)
            if new > size * CLOSE_SHARE_MIN:
                self._write(namespace, catalog)

    # -- below

    def _path(self, number: int) -> Path:
        assert self._directory is not None
        return image_path(self._directory, number)

    def _maps(self, path: Path) -> bool:
        if self._mapped is not None:
            return self._mapped
        return not fits_memory(path)

    def _unseen(self, namespace: Namespace) -> tuple[int, int]:
        """How many slots there are, and how many of them no image shows; none where none is needed."""
        generation = namespace.generation
        graph = dense_of(generation)
        if self._directory is None or self._read_only or graph is None or not graph.linked:
            return 0, 0
        kept = self._kept.get(namespace.number)
        shown = kept[2] if kept is not None and kept[1]() is generation else 0
        return graph.size, graph.size - shown

    def _forget_gone(self) -> None:
        for number, (namespace, _, _) in list(self._kept.items()):
            if namespace.gone:
                del self._kept[number]
                _remove(self._path(number))

    def _write(self, namespace: Namespace, catalog: Catalog) -> None:
        """Make the image of a namespace. What the system refuses is logged: no image, nothing lost."""
        path, generation = self._path(namespace.number), namespace.generation
        aside = path.with_name(f"{path.name}.new")
        try:
            size = save(aside, namespace, catalog)
            with catalog.exclusive():  # nobody removes the namespace meanwhile
                if namespace.gone is None:
                    os.replace(aside, path)
                    self._kept[namespace.number] = (namespace, weakref.ref(generation), size)
                    self._refused.pop(namespace.number, None)
            sync_directory(path.parent)
        except (OSError, DamagedImage, MemoryError) as error:
            self._refused[namespace.number] = generation.graph.size
            _log.warning("%s cannot be written; nothing is lost, opening takes longer: %s", path, error)
        finally:
            _remove(aside)


def dense_of(generation: Generation) -> Graph | None:
    """The graph of a generation, where it has one."""
    part = generation.graph
    if isinstance(part, HybridPart):
        return part.graph
    return part if isinstance(part, Graph) else None


def save(path: Path, namespace: Namespace, catalog: Catalog) -> int:
    """Write the present state of a namespace to a new file, beside writers and readers. Returns how many
    slots it shows. Raises OSError, and what `exclusive` of the catalog raises.
    """
    generation = namespace.generation
    graph = dense_of(generation)
    assert graph is not None
    turn = 0
    while True:
        turn += 1
        with catalog.exclusive():
            shown = graph.size, graph.live
            note = note_of(generation, namespace.number, catalog.records.lineage, catalog.seq)
            packed = encode_note(note) if turn > OVERTAKEN_MAX else b""
        packed = packed or encode_note(note)
        if (graph.size, graph.live) == shown:
            graph.save(str(path), packed)
            if state_of(path) == shown:
                return shown[0]


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
