"""Ask only among records whose metadata a filter admits. Pages are full all the same."""

from clew import Index

with Index() as index:
    index.upsert(
        [
            (f"film-{i}", [1.0, i / 100], {"year": 1950 + i % 70, "tags": ["drama"] if i % 3 else ["noir"]})
            for i in range(500)
        ]
    )
    noir = "year < 1960 AND tags CONTAINS 'noir'"
    with index.resumable_query([1.0, 0.0], top_k=4, filter=noir, include_metadata=True) as query:
        for page in (query.start(), query.fetch_next(4)):
            print([(hit.id, hit.metadata["year"]) for hit in page])
    print("removed:", index.delete(filter="year >= 2000").deleted)
