"""Go on from where a query stopped, as often as you like, until there is no more."""

import numpy as np

from clew import Index

rows = np.random.default_rng(1).standard_normal((1000, 16))

with Index() as index:
    index.upsert_arrays(range(1000), rows)
    with index.resumable_query(rows[0], top_k=5) as query:
        print("first page:", [hit.id for hit in query.start()])
        # Written meanwhile: the query does not see it, now or later.
        index.upsert([("late", rows[0])])
        print("next page:", [hit.id for hit in query.fetch_next(5)])
        print("all the others:", sum(1 for _ in query))
