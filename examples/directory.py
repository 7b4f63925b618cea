"""Give the index a directory, and what it holds is there the next time."""

import tempfile

from clew import Index

with tempfile.TemporaryDirectory() as folder:
    with Index(folder, dimension=2, similarity_function="DOT_PRODUCT") as index:
        index.upsert([("a", [1.0, 2.0], {"note": "kept"}, "and its text")], namespace="notes")

    with Index(folder) as index:
        info = index.info()
        print(info.vector_count, info.dimension, info.similarity_function, index.list_namespaces())
        print(index.fetch("a", include_metadata=True, include_data=True, namespace="notes"))
