"""One invocation: the data set, the engines, how often; and the indexes built for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks import data, machine, records
from benchmarks.data import Dataset
from benchmarks.peers import Engine, Selection, engine_class
from benchmarks.records import Record, Value
from benchmarks.timing import seconds

SPARE = 10_000  # room for vectors that the delete suite inserts
SHARES = {"1 %": 10, "10 %": 100}  # of 1,000


@dataclass(slots=True)
class Bench:
    """What a suite is given. `engines` are names of `peers.ENGINES`, Clew's first."""

    dataset: Dataset
    engines: tuple[str, ...]
    rounds: int
    short: bool
    _built: dict[str, Engine] = field(default_factory=dict)

    def fresh(self, name: str) -> Engine:
        """A new, empty index."""
        return engine_class(name)(self.dataset.dimension, self.dataset.metric, self.dataset.size + SPARE)

    def built(self, name: str) -> Engine:
        """The index of this run, built with one thread when it is first asked for.

        An index that can be saved is kept under `benchmarks/data/built` for later runs.
        """
        if name not in self._built:
            engine = self.fresh(name)
            built_by = f"{name}-{machine.version(engine.package)}"
            path = data.CACHE / "built" / f"{self.dataset.key}.{self.dataset.fingerprint()}.{built_by}"
            if path.exists():
                engine.load(path)
            else:
                taken = seconds(lambda: engine.build(self.dataset.base, 1, self.dataset.column()))
                path.parent.mkdir(parents=True, exist_ok=True)
                kept = engine.save(path)
                print(f"  built {name} in {taken:.1f} s" + (", kept" if kept else ""), flush=True)
            self._built[name] = engine
        return self._built[name]

    def adopt(self, engine: Engine) -> None:
        """Use an index that a suite has just built with one thread in the suites after it."""
        self._built.setdefault(engine.name, engine)

    def drop(self, name: str) -> None:
        """Forget an index that a suite has changed."""
        self._built.pop(name, None)

    def selections(self) -> list[Selection]:
        """The filters that are measured, random over the data."""
        column = self.dataset.column()
        return [Selection(name, below, np.asarray(column < below)) for name, below in SHARES.items()]

    def record(self, suite: str, engine: str, case: str, **values: Value) -> Record:
        """A record of this data set, numbers rounded to what they mean."""
        kept = {
            name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()
        }
        return records.Record(suite, self.dataset.name, engine, case, kept)
