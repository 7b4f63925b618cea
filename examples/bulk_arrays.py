"""NumPy in, NumPy out: a matrix is kept in one call, many queries are answered in another."""

import numpy as np

from clew import Index

generator = np.random.default_rng(2)
rows = generator.standard_normal((5000, 32)).astype(np.float32)

with Index(similarity_function="EUCLIDEAN") as index:
    index.upsert_arrays(
        [f"row-{i}" for i in range(5000)], rows, metadata=[{"even": i % 2 == 0} for i in range(5000)]
    )
    ids, scores = index.query_arrays(rows[:3] + 0.01, top_k=2, filter="even = true")
    for names, best in zip(ids, scores, strict=True):
        print(names, np.round(best, 3))
