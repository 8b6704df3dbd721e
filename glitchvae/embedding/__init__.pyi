from .encode import encode_spectrograms as encode_spectrograms
from .exchange import export_encoder as export_encoder
from .inputs import Inputs as Inputs
from .inputs import assign_triggers as assign_triggers
from .inputs import limit_sources as limit_sources
from .inputs import open_inputs as open_inputs
from .inputs import read_triggers_for as read_triggers_for
from .inputs import triggers_at as triggers_at
from .job import Job as Job
from .plan import Left as Left
from .plan import Plan as Plan
from .plan import plan_embedding as plan_embedding
from .plan import plan_encoding as plan_encoding
from .record import UNCERTAINTIES as UNCERTAINTIES
from .record import Embeddings as Embeddings
from .record import name_classes as name_classes
from .streaming import Walk as Walk
from .streaming import embed_images as embed_images
from .streaming import embed_strain as embed_strain
from .streaming import select_triggers as select_triggers
from .streaming import trigger_batches as trigger_batches
from .streaming import usable_band as usable_band
from .tables import check_output as check_output
from .tables import from_arrow as from_arrow
from .tables import read_embeddings as read_embeddings
from .tables import read_parquet as read_parquet
from .tables import to_arrow as to_arrow
from .tables import write_embeddings as write_embeddings

__all__ = [
    "UNCERTAINTIES",
    "Embeddings",
    "Inputs",
    "Job",
    "Left",
    "Plan",
    "Walk",
    "assign_triggers",
    "check_output",
    "embed_images",
    "embed_strain",
    "encode_spectrograms",
    "export_encoder",
    "from_arrow",
    "limit_sources",
    "name_classes",
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
