"""Makes the sample of `clew demo`. Run by hand, when the sample is to change.

    python tools/make_demo_data.py FOLDER

FOLDER holds `corpus.jsonl` (one title a line: _id, title, text, metadata) and `base.lsa256.f32.npy`
(float32, one row a title, of unit length). Written: `titles.jsonl.gz` and `vectors.npz` in src/clew/demo.
See src/clew/demo/NOTICE for the source and its licence.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

DEMO = Path(__file__).resolve().parent.parent / "src" / "clew" / "demo"
KEPT = ("type", "year", "rating", "countries", "genres")


def main(folder: Path) -> None:
    """Write both files and say how large they are and what rounding to a byte cost."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    vectors = np.load(folder / "base.lsa256.f32.npy")

    # A byte per component: cosine does not mind the length of a row, so its scale need not be kept.
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
    codes = np.rint(vectors / scale).astype(np.int8)
    np.savez_compressed(DEMO / "vectors.npz", codes=codes)

    lines = "\n".join(json.dumps(kept(row), ensure_ascii=False, separators=(",", ":")) for row in rows)
    # No time stamp: the same input gives the same bytes.
    (DEMO / "titles.jsonl.gz").write_bytes(gzip.compress(lines.encode(), 9, mtime=0))

    back = codes / np.linalg.norm(codes.astype(np.float32), axis=1, keepdims=True)
    nearness = (back * vectors).sum(axis=1).min()
    print(f"{len(rows)} titles; the least cosine of a row with its original is {nearness:.5f}")
    for name in ("titles.jsonl.gz", "vectors.npz"):
        print(f"{name}: {(DEMO / name).stat().st_size:,} bytes")


def kept(row: dict[str, Any]) -> dict[str, Any]:
    """What the demo shows or filters by."""
    metadata = {name: row["metadata"][name] for name in KEPT}
    return {"id": row["_id"], "title": row["title"], "text": row["text"], "metadata": metadata}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
