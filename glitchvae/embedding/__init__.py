"""From glitches to codes: the record of embeddings, and how it is made and stored."""

from glitchvae.embedding.encode import encode_spectrograms
from glitchvae.embedding.inputs import (
    Inputs,
    assign_triggers,
    open_inputs,
    read_triggers_for,
    triggers_at,
)
from glitchvae.embedding.plan import Plan, plan_embedding, plan_encoding
from glitchvae.embedding.record import UNCERTAINTIES, Embeddings
from glitchvae.embedding.streaming import (
    embed_strain,
    embed_triggers,
    select_triggers,
    trigger_batches,
    usable_band,
)
from glitchvae.embedding.tables import (
    check_output,
    from_arrow,
    read_embeddings,
    read_parquet,
    to_arrow,
    write_embeddings,
)

__all__ = [
    "UNCERTAINTIES",
    "Embeddings",
    "Inputs",
    "Plan",
    "assign_triggers",
    "check_output",
    "embed_strain",
    "embed_triggers",
    "encode_spectrograms",
    "from_arrow",
    "open_inputs",
    "plan_embedding",
    "plan_encoding",
    "read_embeddings",
    "read_parquet",
    "read_triggers_for",
    "select_triggers",
    "to_arrow",
    "trigger_batches",
    "triggers_at",
    "usable_band",
    "write_embeddings",
]
