"""What a process does until it is killed, drawn from a seed, and what must be there afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DIMENSION = 4
NAMESPACES = ["", "ns"]


class Step(NamedTuple):
    """put: id -> vector; drop: ids; start: (query, k); fetch: (query, n); stop: query; compact: nothing."""

    kind: str
    namespace: str
    what: Any


def steps(seed: int) -> Iterator[Step]:
    """For ever, the same for the same seed."""
    draw = random.Random(seed)
    yield Step("put", "", {f"v{i}": vector(draw) for i in range(60)})
    yield Step("put", "ns", {f"v{i}": vector(draw) for i in range(20)})
    queries: list[tuple[int, str]] = []
    for number in range(1 << 30):
        namespace = draw.choice(NAMESPACES)
        kind = draw.choices(
            ["put", "drop", "start", "fetch", "stop", "compact"],
            [10, 5, 4 if len(queries) < 6 else 0, 12, 1, 1],
        )[0]
        if kind == "put":
            ids = [f"v{draw.randrange(90)}" for _ in range(draw.randint(1, 12))]
            yield Step(kind, namespace, {id: vector(draw) for id in ids})
        elif kind == "drop":
            yield Step(kind, namespace, [f"v{draw.randrange(90)}" for _ in range(draw.randint(1, 6))])
        elif kind == "start":
            queries.append((number, namespace))
            yield Step(kind, namespace, (number, draw.randint(1, 8)))
        elif kind == "compact":
            yield Step(kind, namespace, None)
        elif queries:
            query, namespace = draw.choice(queries)
            if kind == "stop":
                queries.remove((query, namespace))
                yield Step(kind, namespace, query)
            else:
                yield Step(kind, namespace, (query, draw.randint(1, 9)))


def vector(draw: random.Random) -> list[float]:
    """On a lattice, so that there are ties and copies."""
    return [float(draw.randint(-2, 2)) for _ in range(DIMENSION)]


@dataclass
class Open:
    """A query: what it may return, what it has returned, and how many batches."""

    uuid: str
    snapshot: dict[str, int]
    returned: list[str]
    batch: int = 0


@dataclass
class Model:
    """What there must be: by namespace the step that wrote each id, and the open queries."""

    records: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in NAMESPACES})
    queries: dict[int, Open] = field(default_factory=dict)

    def apply(self, number: int, step: Step, answer: Any) -> None:
        """`answer` is what was acknowledged: of a start its uuid and ids, of a fetch its ids."""
        records = self.records[step.namespace]
        if step.kind == "put":
            records.update(dict.fromkeys(step.what, number))
        elif step.kind == "drop":
            for id in step.what:
                records.pop(id, None)
        elif step.kind == "start":
            self.queries[step.what[0]] = Open(answer["uuid"], dict(records), [*answer["ids"]])
        elif step.kind == "fetch":
            query = self.queries[step.what[0]]
            query.returned += answer["ids"]
            query.batch += 1
        elif step.kind == "stop":
            del self.queries[step.what]
