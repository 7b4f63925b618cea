"""How the two halves of a hybrid query become one ranking. The native core does it."""

from __future__ import annotations

from dataclasses import dataclass

from clew.commands import Query
from clew.errors import ClientError
from clew.types import FusionAlgorithm

# A query that is asked once fuses at least so many of either half: what one half has far down may be first in
# the other. The hosted service does not say how many it takes.
CANDIDATES_MIN = 100

# Ranks of either half that are fused at once. It bounds the time and memory of a batch.
WINDOW_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Fusion:
    """Settings of a fusion.

    algorithm: RRF, the sum of 1 / (60 + rank), ranks from 0; or DBSF, the sum of scores normalised by mean
    and deviation. dense_weight: from 0 to 1; the sparse half has the rest, and 0.5 is plain. window: so many
    ranks of either half are fused into a stretch of one stable ranking; 0: every batch fuses afresh what is
    left.
    """

    algorithm: FusionAlgorithm = FusionAlgorithm.RRF
    dense_weight: float = 0.5
    window: int = 0


def fusion_of(query: Query) -> Fusion:
    """What a query asks for. Raises ClientError for a weight or a window out of range."""
    weight, window = query.dense_weight, query.fusion_window
    if weight is not None and not 0 <= weight <= 1:
        raise ClientError(f"dense_weight must be a number from 0 to 1, got {weight!r}")
    if window is not None and not (isinstance(window, int) and 1 <= window <= WINDOW_MAX):
        raise ClientError(f"fusion_window must be an integer from 1 to {WINDOW_MAX}, got {window!r}")
    return Fusion(
        query.fusion_algorithm or FusionAlgorithm.RRF, 0.5 if weight is None else weight, window or 0
    )
