"""What one would write first: the query endpoint in FastAPI with pydantic, over the same engine."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from clew.commands import Query, UpsertArrays
from clew.engine.engine import Engine


class Asked(BaseModel):
    vector: list[float]
    topK: int = 10  # noqa: N815 - the name on the wire
    filter: str = ""
    includeMetadata: bool = False  # noqa: N815


class Hit(BaseModel):
    id: str
    score: float
    metadata: dict[str, Any] | None = None


class Answer(BaseModel):
    result: list[Hit]


def make(engine: Engine) -> FastAPI:
    app = FastAPI()

    @app.post("/query", response_model_exclude_none=True)
    async def query(asked: Asked, authorization: Annotated[str, Header()]) -> Answer:
        if authorization != "Bearer dev":
            raise HTTPException(401)
        vector = np.array(asked.vector, dtype=np.float32)
        hits = engine.execute(Query(vector, top_k=asked.topK, filter=asked.filter))
        return Answer(result=[Hit(id=hit.id, score=hit.score, metadata=hit.metadata) for hit in hits])

    return app


def main() -> None:
    port, vectors = int(sys.argv[1]), np.load(sys.argv[2])
    engine = Engine.open(None)
    engine.execute(UpsertArrays(tuple(map(str, range(len(vectors)))), vectors))
    uvicorn.run(make(engine), port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
