"""Commands carried out in this process, by an `Engine`."""

from __future__ import annotations

from clew.engine.engine import Engine


class EmbeddedBackend:
    """Carries commands to `engine` on the caller's thread. Closing it closes the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.call = engine.execute  # not a method around it: a small query feels every call

    def close(self) -> None:
        """Close the engine. A second close does nothing."""
        self.engine.close()
