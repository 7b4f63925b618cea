"""Whole namespaces: emptied, removed, renamed."""

from __future__ import annotations

from collections.abc import Callable

from clew.commands import DEFAULT_NAMESPACE, DeleteNamespace, RenameNamespace, Reset
from clew.engine.catalog import Catalog
from clew.engine.check import require_text
from clew.engine.namespace import Namespace
from clew.engine.sessions import Sessions
from clew.errors import ClientError, NamespaceNotFound


class Namespaces:
    """Changes namespaces, one command at a time. freed: told that there is space to be given back."""

    def __init__(self, catalog: Catalog, sessions: Sessions, freed: Callable[[], None]) -> None:
        self._catalog = catalog
        self._sessions = sessions
        self._freed = freed

    def reset(self, command: Reset) -> str:
        """Empty one namespace, or all."""
        catalog = self._catalog
        with catalog.exclusive():
            namespaces = catalog.namespaces
            chosen = namespaces.values() if command.all else [namespaces.get(command.namespace)]
            emptied = [namespace for namespace in chosen if namespace is not None]
            if not emptied:
                if command.all or command.namespace == DEFAULT_NAMESPACE:  # before there is a dimension
                    gone = _said(DEFAULT_NAMESPACE, "reset")
                    self._sessions.drop(catalog.default_number, catalog.seq + 1, gone)
                return "Success"
            with catalog.records.writing(catalog.seq + 1):
                for namespace in emptied:
                    catalog.records.empty_namespace(namespace.number)
            catalog.seq += 1
            for namespace in emptied:
                empty = catalog.empty(namespace.generation.graph.dimension)
                catalog.show(Namespace(namespace.name, namespace.number, empty))
                self._drop(namespace, "reset")
        return "Success"

    def delete(self, command: DeleteNamespace) -> str:
        """Remove a namespace and its records."""
        catalog, name = self._catalog, command.namespace
        if name == DEFAULT_NAMESPACE:
            raise ClientError("The default namespace cannot be deleted")
        with catalog.exclusive():
            namespace = self._existing(name)
            with catalog.records.writing(catalog.seq + 1):
                catalog.records.drop_namespace(namespace.number)
            catalog.seq += 1
            catalog.namespaces = {n: one for n, one in catalog.namespaces.items() if one is not namespace}
            self._drop(namespace, "deleted")
        return "Success"

    def rename(self, command: RenameNamespace) -> str:
        """Give a namespace another name. Its open queries go on."""
        catalog, old, new = self._catalog, command.namespace, command.new_namespace
        if DEFAULT_NAMESPACE in (old, new):
            raise ClientError("The default namespace cannot be renamed, and no other can take its place")
        require_text("new_namespace", new)
        with catalog.exclusive():
            namespace = self._existing(old)
            in_the_way = catalog.namespaces.get(new)
            if in_the_way is namespace or (in_the_way and not command.delete_existing):
                raise ClientError(f"Namespace {new} already exists")
            with catalog.records.writing(catalog.seq + 1):
                if in_the_way:
                    catalog.records.drop_namespace(in_the_way.number)
                catalog.records.rename_namespace(namespace.number, new)
            catalog.seq += 1
            namespace.name = new
            kept = [one for one in catalog.namespaces.values() if one is not in_the_way]
            catalog.namespaces = {one.name: one for one in kept}
            if in_the_way:
                self._drop(in_the_way, "deleted")
        return "Success"

    def _existing(self, name: str) -> Namespace:
        namespace = self._catalog.namespaces.get(name)
        if namespace is None:
            raise NamespaceNotFound(f"Namespace {name} for the index {self._catalog.name} does not exist")
        return namespace

    def _drop(self, namespace: Namespace, what: str) -> None:
        """Say what became of it to whoever still holds it, and stop its open queries."""
        namespace.gone = _said(namespace.name, what)
        self._sessions.drop(namespace.number, self._catalog.seq, namespace.gone)
        self._freed()


def _said(name: str, what: str) -> str:
    return f"namespace {name!r} was {what}"
