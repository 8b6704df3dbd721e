"""Groups: every event in one of them, and a sample that keeps the small ones."""

import colorsys

import numpy as np

from glitchvae.report.groups import UNEXPLAINED, groups_of, sample


def test_every_event_with_a_code_is_in_one_group(discovery):
    groups = groups_of(discovery)
    rows = np.concatenate([group.rows for group in groups])
    assert sorted(rows) == list(range(len(discovery.embeddings) - 2))
    assert [group.kind for group in groups] == ["candidate", "known", "known", "known"]
    assert len({group.colour for group in groups}) == len(groups)


def test_what_nothing_explains_is_the_rest(discovery):
    import dataclasses

    rest = groups_of(dataclasses.replace(discovery, known=()))[-1]
    assert (rest.name, rest.kind) == (UNEXPLAINED, "rest")


def test_a_sample_keeps_small_groups_and_shares(make):
    discovery = make(4000)
    groups = groups_of(discovery)
    rows = sample(groups, 1000, 0)
    assert len(set(rows)) == len(rows)
    assert 990 <= len(rows) <= 1000
    for group in groups:
        share = np.isin(rows, group.rows).sum() / len(rows)
        assert abs(share - len(group.rows) / 3998) < 0.01
    assert np.isin(sample(groups, 10, 0), groups[0].rows).sum() == 30
    np.testing.assert_array_equal(rows, sample(groups, 1000, 0))
    assert len(sample(groups, 10_000, 0)) == 3998


def test_colours_of_known_classes_are_pale(discovery):
    for group in groups_of(discovery):
        red, green, blue = (int(group.colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        saturation = colorsys.rgb_to_hls(red, green, blue)[2]
        assert (saturation < 0.45) == (group.kind != "candidate")
