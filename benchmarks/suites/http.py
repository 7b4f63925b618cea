"""The server under load, on the processor that the load does not use: rates, latencies, processor time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import numpy as np
import uvloop

from benchmarks.bench import Bench
from benchmarks.data import clustered
from benchmarks.load import generator, servers
from benchmarks.load.generator import Connection, Load, post
from benchmarks.load.servers import Server
from benchmarks.records import Layout, Record
from benchmarks.truth import Floats
from clew import Index
from clew.commands import Query, UpsertArrays
from clew.engine.engine import Engine

K = 10
CONNECTIONS = 16
SECONDS = 1.0
TRIES = 10  # of each load; the best of them counts, the others met something else that ran
BATCHES = 20  # of each resumable query whose `fetch_next` is timed
SMALL = (1_000, 64)  # vectors and dimensions of the small requests
HELD_CONNECTIONS, HELD_QUERIES = 1_000, 5_000
HELD_S = 60
WARM_S = 10  # of them, before memory is looked at
ASKED_PER_S = 200  # while they are held

QUERY, SMALL_QUERY = "query of 10", "small query of 10"
ENGINE, FASTAPI = "clew, engine alone", "fastapi + pydantic"
LAYOUT = Layout(
    "HTTP, one server process, 2 processors shared with the load",
    ("requests_per_s", "cpu_us", "p50_ms", "p99_ms", "errors", "mib", "grown_mib"),
    ratio="requests_per_s",
)


def run(bench: Bench) -> list[Record]:
    """Queries of 10 over the data set and over a small one, `fetch_next`, and many held open."""
    vectors, queries = bench.dataset.base, bench.dataset.queries
    small = clustered(SMALL[0] + len(queries), SMALL[1], 3, unit=bench.dataset.metric == "COSINE")
    few, few_queries = small[: SMALL[0]], small[SMALL[0] :]
    with servers.clew() as server:
        _fill(server, vectors)
        with servers.fastapi(vectors) as other:
            peaks = _peaks(bench, QUERY, {"clew": server, FASTAPI: other}, vectors, queries)
        rate = float(peaks[1].values["requests_per_s"] or 0) / 2
        made = [*peaks, *_calmer(bench, server, queries, rate), *_fetches(bench, server, queries)]
        made.append(_held(bench, server, queries))
    with servers.clew() as server, servers.fastapi(few) as other:
        _fill(server, few)
        made += _peaks(bench, SMALL_QUERY, {"clew": server, FASTAPI: other}, few, few_queries)
    return made


def _fill(server: Server, vectors: Floats) -> None:
    with Index(server.url) as index:
        index.upsert_arrays(range(len(vectors)), vectors, progress=False)


def _peaks(
    bench: Bench, case: str, running: dict[str, Server], vectors: Floats, queries: Floats
) -> list[Record]:
    """What the engine takes when nothing is between, and the peaks of servers: all in turn."""
    engine = Engine.open(None)
    engine.execute(UpsertArrays(tuple(map(str, range(len(vectors)))), vectors))
    commands = [Query(query, top_k=K) for query in queries]
    requests = {name: _requests(server, queries) for name, server in running.items()}
    tries: dict[str, list[tuple[float, float, Load]]] = {name: [] for name in running}
    rounds = []
    for _ in range(TRIES):
        rounds.append(_engine_s(engine, commands))
        for name, server in running.items():
            tries[name].append(_closed(server, requests[name], CONNECTIONS))
    engine.close()
    made = [bench.record("http", ENGINE, case, cpu_us=min(rounds) * 1e6)]
    for name in running:
        rate, cpu, load = max(tries[name], key=lambda one: one[0])
        made.append(_record(bench, name, case, load, requests_per_s=rate, cpu_us=cpu))
    return made


def _engine_s(engine: Engine, commands: list[Query]) -> float:
    """Processor time of a command, beside a busy processor as under load, in seconds."""
    with servers.busy():
        began = time.process_time()
        for command in commands:
            engine.execute(command)
        return (time.process_time() - began) / len(commands)


def _requests(server: Server, queries: Floats, path: str = "query") -> list[bytes]:
    return [
        post(server.url, path, json.dumps({"vector": query, "topK": K}).encode())
        for query in np.round(queries.astype(float), 7).tolist()
    ]


def _measured(server: Server, work: Callable[[], Load]) -> tuple[Load, float]:
    """What came of some load, and the processor time of the server for each request, in microseconds."""
    before = server.cpu_s()
    load = work()
    return load, (server.cpu_s() - before) / load.answered * 1e6


def _closed(server: Server, requests: list[bytes], connections: int) -> tuple[float, float, Load]:
    """Requests per second, and processor time of the server for each, when each answer brings the next."""
    load, cpu = _measured(
        server, lambda: generator.as_fast_as_possible(server.url, requests, connections, SECONDS)
    )
    return load.per_second, cpu, load


def _calmer(bench: Bench, server: Server, queries: Floats, rate: float) -> list[Record]:
    """Less than the peak: so many requests per second, and one at a time."""
    requests = _requests(server, queries)
    loads = [generator.at_a_rate(server.url, requests, 4 * CONNECTIONS, rate, SECONDS) for _ in range(TRIES)]
    load = min(loads, key=lambda load: float(np.percentile(load.latencies_s, 99)))
    half = _record(bench, "clew", f"{QUERY}, half of the peak", load, requests_per_s=rate)
    _, cpu, load = min((_closed(server, requests, 1) for _ in range(TRIES)), key=lambda run: run[1])
    return [half, _record(bench, "clew", f"{QUERY}, one at a time", load, cpu_us=cpu)]


def _fetches(bench: Bench, server: Server, queries: Floats) -> list[Record]:
    """Batches of queries that are open already, beside plain queries asked the same way."""
    uuids = uvloop.run(_started(server, queries))
    asked = [json.dumps({"uuid": uuid, "additionalK": K}).encode() for uuid in uuids]
    batches = [post(server.url, "resumable-query-next", body) for _ in range(BATCHES) for body in asked]
    plain = _requests(server, queries) * BATCHES
    made = []
    for case, requests in (("fetch_next of 10, 4 connections", batches), (f"{QUERY}, 4 connections", plain)):
        load, cpu = _measured(
            server, lambda requests=requests: generator.as_fast_as_possible(server.url, requests, 4)
        )
        made.append(_record(bench, "clew", case, load, requests_per_s=load.per_second, cpu_us=cpu))
    ends = [post(server.url, "resumable-query-end", json.dumps({"uuid": uuid}).encode()) for uuid in uuids]
    generator.as_fast_as_possible(server.url, ends, 4)
    return made


async def _started(server: Server, queries: Floats, path: str = "resumable-query") -> list[str]:
    [line] = await generator.connect(server.url, 1)
    answers = [await line.answer(request) for request in _requests(server, queries, path)]
    line.transport.close()
    return [json.loads(answer)["result"]["uuid"] for answer in answers]


def _held(bench: Bench, server: Server, queries: Floats) -> Record:
    """Many connections and open queries, some of them used, for a minute; then each goes on."""
    values = uvloop.run(_hold(server, queries))
    return bench.record("http", "clew", f"{HELD_CONNECTIONS:,} connections, {HELD_QUERIES:,} open", **values)


async def _hold(server: Server, queries: Floats) -> dict[str, float]:
    lines = await generator.connect(server.url, HELD_CONNECTIONS)
    starts = _requests(server, queries, "resumable-query")
    uuids: list[str] = []
    for first in range(0, HELD_QUERIES, len(lines)):
        share = [line.answer(starts[(first + i) % len(starts)]) for i, line in enumerate(lines)]
        uuids += [json.loads(answer)["result"]["uuid"] for answer in await asyncio.gather(*share)]
    nexts = [
        post(server.url, "resumable-query-next", json.dumps({"uuid": uuid, "additionalK": K}).encode())
        for uuid in uuids
    ]
    plain = _requests(server, queries)
    began, warm, errors, turn = time.perf_counter(), 0, 0, 0
    while (passed := time.perf_counter() - began) < HELD_S:
        line = lines[turn % len(lines)]
        errors += await _failed(line, plain[turn % len(plain)])
        turn += 1
        if not warm and passed > WARM_S:
            warm = server.bytes()
        await asyncio.sleep(max(0.0, turn / ASKED_PER_S - passed))
    held = server.bytes()
    for first in range(0, len(nexts), len(lines)):
        share = nexts[first : first + len(lines)]
        errors += sum(await asyncio.gather(*map(_failed, lines, share)))
    for line in lines:
        line.transport.close()
    return {"errors": errors, "mib": held / 2**20, "grown_mib": (held - warm) / 2**20}


async def _failed(line: Connection, request: bytes) -> int:
    try:
        await line.answer(request)
    except RuntimeError:
        return 1
    return 0


def _record(bench: Bench, engine: str, case: str, load: Load, **values: float) -> Record:
    taken = np.array(load.latencies_s) * 1e3
    latencies = {"p50_ms": float(np.percentile(taken, 50)), "p99_ms": float(np.percentile(taken, 99))}
    return bench.record("http", engine, case, **values, **latencies, errors=len(load.failures))
