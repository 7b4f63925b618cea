"""Run with faults.c preloaded: for each order on stdin a child does the steps of a plan until it is killed.

Not a process of its own each time, as importing takes longer than the work.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import signal
import sys
import time
from itertools import islice
from typing import Any

import numpy as np
from plan import Step, steps

from clew._core import Graph
from clew.commands import (
    Compact,
    Delete,
    EndQuery,
    FetchNext,
    Include,
    Query,
    Range,
    Record,
    StartQuery,
    Upsert,
)
from clew.engine import catalog, checkpointer, images
from clew.engine.engine import Engine
from clew.errors import StorageError


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = work(order)
            finally:
                os._exit(code)
        if order["kill_after_s"]:
            time.sleep(order["kill_after_s"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def work(order: dict[str, Any]) -> int:
    """0: all steps done. 3: a write failed, and after it the next as well. Acknowledged steps go to a
    file.
    """
    faults = ctypes.CDLL(order["faults"])
    faults.faults_count.restype = ctypes.c_long
    told = os.open(order["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if order["images"]:
        with_images()
    if order["checkpoints"]:  # after a few writes, and others of them together
        checkpointer.CHECKPOINT_BYTES, checkpointer.RESTART_BYTES = 1 << 16, 1 << 18
    prefix = f"{order['directory']}/{order['only']}".encode()
    arm = functools.partial(faults.faults_arm, prefix, ctypes.c_long(order["at"]), order["kind"])
    if order["traced"]:
        faults.faults_trace(order["directory"].encode(), order["traced"].encode())
    elif order["step"] is None:
        arm()
    code = 0
    try:
        if order["read"]:
            engine = Engine.open(order["directory"], read_only=True, threads=1)
            ids = [record.id for record in engine.execute(Range(limit=1000)).vectors]
            os.write(told, (json.dumps({"ids": ids}) + "\n").encode())
        engine = Engine.open(order["directory"], durability=order["durability"], threads=1)
        uuids: dict[int, str] = {}
        for number, step in islice(enumerate(steps(order["seed"])), order["steps"]):
            if number == order["step"]:
                arm()
            answer = carried_out(engine, number, step, uuids)
            os.write(told, (json.dumps(answer) + "\n").encode())
            faults.faults_acknowledged()
        if order["step"] is None:
            engine.close()
    except StorageError as error:
        code = 3
        os.write(told, (json.dumps({"failed": type(error).__name__, "says": str(error)}) + "\n").encode())
    os.write(told, (json.dumps({"calls": faults.faults_count()}) + "\n").encode())
    return code


def with_images() -> None:
    """The namespaces of a plan are small: let them have edges, and an image after a few writes."""
    catalog.part_of = lambda kind, dimension, metric: Graph(dimension, metric.value, link_min=16)
    images.NEW_SLOTS_MIN, images.NEW_SHARE_MIN = 8, 0.0


def carried_out(engine: Engine, number: int, step: Step, uuids: dict[int, str]) -> Any:
    if step.kind == "put":
        records = [
            Record(id, np.array(v, np.float32), metadata={"step": number}) for id, v in step.what.items()
        ]
        engine.execute(Upsert(tuple(records), step.namespace))
    elif step.kind == "drop":
        engine.execute(Delete(ids=tuple(step.what), namespace=step.namespace))
    elif step.kind == "compact":
        engine.execute(Compact())
    elif step.kind == "start":
        key, k = step.what
        asked = Query(
            np.ones(4, np.float32), top_k=k, namespace=step.namespace, include=Include(metadata=True)
        )
        uuids[key], hits = engine.execute(StartQuery(asked))
        return {"uuid": uuids[key], "ids": [hit.id for hit in hits]}
    elif step.kind == "fetch":
        key, n = step.what
        return {"ids": [hit.id for hit in engine.execute(FetchNext(uuids[key], n))]}
    else:
        engine.execute(EndQuery(uuids[step.what]))
    return {}


if __name__ == "__main__":
    main()
