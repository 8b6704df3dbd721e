from .archive import TOLERANCE as TOLERANCE
from .archive import Archive as Archive
from .archive import archive_path as archive_path
from .archive import create_archive as create_archive
from .filling import Filled as Filled
from .filling import fill_from_images as fill_from_images
from .filling import fill_from_strain as fill_from_strain
from .gathering import Gathered as Gathered
from .gathering import checkpoint_of as checkpoint_of
from .gathering import describe_model as describe_model
from .gathering import gather as gather
from .summary import Summary as Summary
from .tasks import ImagesTask as ImagesTask
from .tasks import StrainTask as StrainTask
from .tasks import Task as Task
from .tasks import image_tasks as image_tasks
from .tasks import strain_tasks as strain_tasks

__all__ = [
    "TOLERANCE",
    "Archive",
    "Filled",
    "Gathered",
    "ImagesTask",
    "StrainTask",
    "Summary",
    "Task",
    "archive_path",
    "checkpoint_of",
    "create_archive",
    "describe_model",
    "fill_from_images",
    "fill_from_strain",
    "gather",
    "image_tasks",
    "strain_tasks",
]
