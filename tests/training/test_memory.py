"""Memory of a step, and advice where there is not enough."""

import resource
from pathlib import Path

import pytest
import torch

from glitchvae.errors import ModelError
from glitchvae.training import memory, plan
from glitchvae.training.memory import explain_exhaustion, memory_of
from glitchvae.training.trainer import Trainer

CPU = torch.device("cpu")
TOO_MUCH = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"


def test_memory_holds_images_weights_and_activations(data, config):
    trainer = Trainer(data, config)
    found = memory_of(trainer)
    weights = sum(p.numel() for p in trainer.model.parameters())
    assert found.fixed == data.nbytes + 16 * weights
    first_layer = 4 * 10 * 12 * 4  # widths[0] x half of each side x bytes
    assert found.per_event > 2 * first_layer
    assert found.at(7) - found.at(6) == pytest.approx(found.per_event, abs=1)


def test_activations_grow_with_the_network(data, config):
    wide = config.model.model_copy(update={"widths": (32, 8)})
    sizes = [
        memory_of(Trainer(data, config.model_copy(update={"model": m}))).per_event
        for m in (config.model, wide)
    ]
    assert sizes[1] > 2 * sizes[0]


@pytest.mark.parametrize("error", [RuntimeError(TOO_MUCH), MemoryError()])
def test_advice_names_the_batch_that_fits(error, data, config, monkeypatch):
    room = memory_of(Trainer(data, config)).per_event * 3 / 0.8
    monkeypatch.setattr(memory, "free_memory", lambda _: int(room) + 8)
    with (
        pytest.raises(ModelError, match=r"out of memory on cpu.* 8.*--batch-size 3 would fit"),
        explain_exhaustion(data, config, CPU),
    ):
        raise error


def test_members_share_the_room(data, config, monkeypatch):
    room = memory_of(Trainer(data, config)).per_event * 6 / 0.8
    monkeypatch.setattr(memory, "free_memory", lambda _: int(room) + 8)
    with (
        pytest.raises(ModelError, match="--batch-size 3 would fit"),
        explain_exhaustion(data, config, CPU, members=2),
    ):
        raise MemoryError


def test_other_errors_pass(data, config):
    with pytest.raises(RuntimeError, match="sizes differ"), explain_exhaustion(data, config, CPU):
        raise RuntimeError("sizes differ")


def test_free_memory_is_that_of_the_machine_and_of_the_process(monkeypatch):
    free = memory.free_memory(CPU)
    assert 1e7 < free < 1e15
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (taken + 10**6, -1))
    assert memory.free_memory(CPU) <= 10**6 < free


def test_a_plan_counts(data, config):
    size = plan(data, config)
    assert size.events == 21
    assert size.data_bytes == data.nbytes
    assert size.seconds == pytest.approx(100 * size.seconds_per_step)
    assert size.parameters == sum(p.numel() for p in Trainer(data, config).model.parameters())
    # 4x4 convolution from 5 to 4 channels at 10x12: forward, and backward for its weights.
    assert size.flop_per_step > 2 * 2 * 8 * (10 * 12 * 4 * 5 * 16)
    assert size.memory_bytes > data.nbytes


def test_flop_follow_the_batch(data, config):
    half = config.model_copy(update={"batch_size": 4})
    assert plan(data, config).flop_per_step == 2 * plan(data, half).flop_per_step
