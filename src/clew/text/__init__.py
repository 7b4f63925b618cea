"""Text to vectors: dense and sparse models by name."""

from clew.text.models import embedder, sparse_encoder

__all__ = ["embedder", "sparse_encoder"]
