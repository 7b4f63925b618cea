"""P2, P3 and P12 over sparse and hybrid indexes: every match comes, once, whoever reads."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from sparse_asking import Asking, ids
from worlds import flat, read


def test_p2_and_p3_every_match_comes_exactly_once(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 50", 50), ("part < 3", 3), ("part < 0", 0)):
        asked = asking.some(rng)
        admitted = None if share is None else asking.world.matching(share)
        query = asking.index.resumable_query(**asked, top_k=rng.randint(1, 9), filter=filter)
        found = ids(flat(read(query, rng, 60)))
        assert len(found) == len(set(found))
        assert set(found) == asking.found(asked, admitted)


def test_p12_threads_that_share_a_query_get_every_result_once(asking: Asking, rng: random.Random) -> None:
    asked = asking.some(rng)
    query = asking.index.resumable_query(**asked, top_k=3)
    found = ids(query.start())

    def take(size: int) -> list[str]:
        mine: list[str] = []
        while batch := query.fetch_next(size):
            mine += ids(batch)
        return mine

    with ThreadPoolExecutor(4) as pool:
        for mine in pool.map(take, [2, 5, 20, 1]):
            found += mine
    query.stop()
    assert sorted(found) == sorted(asking.found(asked))
