"""Benchmarks of Clew beside other vector indexes: `python -m benchmarks --help`.

Every number is taken with one thread unless it says otherwise, so the thread pools of BLAS and
OpenMP are held at one here, before anything can import NumPy.
"""

import os

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")
