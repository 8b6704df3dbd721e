"""Which events a step sees."""

import numpy as np
import pytest
import torch

from glitchvae.training.order import DataOrder, WeightedOrder, draw_seed


def order_of(rows, size, seed=0, stream=0):
    return DataOrder(rows, size, seed=seed, stream=stream, device=torch.device("cpu"))


def test_every_event_is_seen_once_an_epoch(data):
    rows = data.rows("train")
    order = order_of(rows, 7)
    first, second = (torch.cat([order(step) for step in steps]) for steps in ((0, 1, 2), (3, 4, 5)))
    assert sorted(first.tolist()) == sorted(second.tolist()) == rows.tolist()
    assert not torch.equal(first, second)


def test_steps_can_be_asked_for_in_any_order(data):
    rows = data.rows("train")
    there = [order_of(rows, 4)(step).tolist() for step in range(12)]
    order = order_of(rows, 4)
    assert [order(step).tolist() for step in reversed(range(12))] == there[::-1]


def test_streams_and_seeds_are_independent(data):
    rows = data.rows("train")
    first = [order_of(rows, 21, seed, stream)(0).tolist() for seed in (0, 1) for stream in (0, 3)]
    assert len({tuple(one) for one in first}) == 4


def test_a_batch_larger_than_the_set_is_the_set(data):
    rows = data.rows("train")
    assert sorted(order_of(rows, 1000)(5).tolist()) == rows.tolist()


def weighted_order(weights, size, seed=0, stream=0):
    rows = 10 + np.arange(len(weights))
    return WeightedOrder(
        rows, np.array(weights), size, seed=seed, stream=stream, device=torch.device("cpu")
    )


def test_events_are_drawn_by_weight_and_once_in_a_batch():
    order = weighted_order([1.0] * 90 + [9.0] * 10, 8)
    batches = [order(step).tolist() for step in range(600)]
    assert all(len(set(batch)) == 8 for batch in batches)
    heavy = np.mean(np.concatenate(batches) >= 100)
    assert heavy == pytest.approx(0.5, abs=0.05)
    assert set(np.concatenate(batches)) == set(range(10, 110))


def test_weighted_steps_depend_on_seed_stream_and_step_alone():
    weights = [1.0, 2.0, 3.0] * 20
    there = [weighted_order(weights, 4)(step).tolist() for step in range(8)]
    order = weighted_order(weights, 4)
    assert [order(step).tolist() for step in reversed(range(8))] == there[::-1]
    firsts = [
        weighted_order(weights, 4, seed, stream)(0).tolist() for seed in (0, 1) for stream in (0, 3)
    ]
    assert len({tuple(one) for one in firsts}) == 4


def test_a_weighted_batch_larger_than_the_set_is_the_set():
    assert sorted(weighted_order([1.0, 5.0, 2.0], 10)(3).tolist()) == [10, 11, 12]


def test_seeds_of_draws_differ_by_every_part_of_the_key():
    seeds = [draw_seed(*key) for key in ((0, 1, 2), (1, 0, 2), (0, 1, 3), (0, 1, 2, 1))]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
