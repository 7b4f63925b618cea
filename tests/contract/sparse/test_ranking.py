"""P1, P5 and P6 over sparse and hybrid indexes: one ranking, read in batches."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np

from sparse_asking import Asking, ids, is_stable, over, pairs_of
from worlds import flat, read


@over("asking", is_stable)
def test_p1_batches_are_slices_of_one_ranking(asking: Asking, rng: random.Random) -> None:
    asked = asking.some(rng)
    whole = asking.index.resumable_query(**asked, top_k=1000)
    with whole:
        ranking = [(hit.id, hit.score) for hit in whole.start()]
    for largest in (3, 50):
        batches = read(asking.index.resumable_query(**asked, top_k=rng.randint(1, largest)), rng, largest)
        assert [(hit.id, hit.score) for hit in flat(batches)] == ranking
    assert ids(asking.index.query(**asked, top_k=15)) == [id for id, _ in ranking[:15]]


def test_p5_scores_never_increase(asking: Asking, rng: random.Random) -> None:
    batches = read(asking.index.resumable_query(**asking.some(rng), top_k=7), rng, 40)
    for batch in batches:
        assert all(a.score >= b.score for a, b in pairwise(batch))
    if asking.stable:
        assert all(a.score >= b.score for a, b in pairwise(flat(batches)))


@over("asking", lambda type, form: type == "SPARSE")
def test_p5_a_sparse_query_ranks_as_a_plain_loop_does(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 20", 20)):
        asked = asking.some(rng)
        admitted = None if share is None else asking.world.matching(share)
        ranking = asking.world.sparse_ranking(pairs_of(asked), asking.form == "idf", admitted)
        hits = flat(read(asking.index.resumable_query(**asked, top_k=3, filter=filter), rng, 30))
        assert [(hit.id, np.float32(hit.score)) for hit in hits] == [(n, np.float32(s)) for n, s in ranking]
        once = asking.index.query(**asked, top_k=12, filter=filter)
        assert [(hit.id, hit.score) for hit in once] == [(hit.id, hit.score) for hit in hits[:12]]


def test_p6_only_the_last_batch_is_short(asking: Asking, rng: random.Random) -> None:
    for filter, share in (("", None), ("part < 30", 30)):
        asked = asking.some(rng)
        left = len(asking.found(asked, None if share is None else asking.world.matching(share)))
        wanted = rng.randint(1, 12)
        query = asking.index.resumable_query(**asked, top_k=wanted, filter=filter)
        batch = query.start()
        while batch:
            assert len(batch) == min(wanted, left)
            left -= len(batch)
            wanted = rng.randint(1, 60)
            batch = query.fetch_next(wanted)
        query.stop()
        assert left == 0
