from .census import Census as Census
from .census import How as How
from .census import is_census as is_census
from .census import read_census as read_census
from .census import renew_version as renew_version
from .clusters import Request as Request
from .clusters import write_condor as write_condor
from .clusters import write_slurm as write_slurm
from .merging import merge_parts as merge_parts
from .planning import Estimate as Estimate
from .planning import estimate as estimate
from .planning import find_sources as find_sources
from .planning import plan_census as plan_census
from .scheduling import run_workers as run_workers
from .shards import Shard as Shard
from .state import Kind as Kind
from .state import reset_failed as reset_failed
from .status import Status as Status
from .status import status_of as status_of
from .working import Worked as Worked
from .working import parent_is as parent_is
from .working import share_of as share_of
from .working import work as work

__all__ = [
    "Census",
    "Estimate",
    "How",
    "Kind",
    "Request",
    "Shard",
    "Status",
    "Worked",
    "estimate",
    "find_sources",
    "is_census",
    "merge_parts",
    "parent_is",
    "plan_census",
    "read_census",
    "renew_version",
    "reset_failed",
    "run_workers",
    "share_of",
    "status_of",
    "work",
    "write_condor",
    "write_slurm",
]
