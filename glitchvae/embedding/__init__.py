"""From glitches to codes: the record of embeddings, and how it is made and stored."""

from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.record import Embeddings
from glitchvae.embedding.tables import (
    from_arrow,
    read_embeddings,
    read_parquet,
    to_arrow,
    write_embeddings,
)

__all__ = [
    "Embeddings",
    "encode_spectrograms",
    "from_arrow",
    "read_embeddings",
    "read_parquet",
    "to_arrow",
    "write_embeddings",
]
