"""Memory that is kept while a run needs it, and given back after."""

import platform
import resource
from pathlib import Path

import pytest
import torch

from glitchvae.allocation import freed_memory_kept


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


def page_faults(device):
    """Pages asked of the system while an array of 40 MB comes and goes."""
    with freed_memory_kept(device):
        # The C library cuts off what alignment leaves over, and holds the first seven such ends
        # of a size back in each thread: until then a freed array is too short to serve again.
        for _ in range(20):
            torch.ones(10_000_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(3):
            torch.ones(10_000_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library is concerned")
def test_freed_arrays_are_used_again_within_the_block_alone():
    pages = 40_000_000 // resource.getpagesize()
    assert page_faults(torch.device("cpu")) < pages / 10
    resident = resident_pages()
    with freed_memory_kept(torch.device("cpu")):
        torch.ones(30_000_000)
    assert resident_pages() < resident + pages


def test_other_devices_are_left_alone(monkeypatch):
    def refuse(*_):
        raise AssertionError("the C library was called")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    with freed_memory_kept(torch.device("meta")):
        pass
