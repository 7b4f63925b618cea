"""Keep some vectors and ask for the nearest."""

from clew import Index

with Index() as index:
    index.upsert(
        [
            ("fig", [0.9, 0.1, 0.0], {"kind": "fruit"}),
            ("kale", [0.1, 0.9, 0.0], {"kind": "leaf"}),
            ("plum", [0.8, 0.2, 0.1], {"kind": "fruit"}),
        ]
    )
    for hit in index.query([1.0, 0.0, 0.0], top_k=2, include_metadata=True):
        print(f"{hit.id}: {hit.score:.3f} {hit.metadata}")
