"""What members of an ensemble may differ in."""

import pytest
import torch

from glitchvae.errors import ConfigError
from glitchvae.models import build
from glitchvae.objectives import OBJECTIVES, Batch, Factor, read_objective
from glitchvae.training import expand_members
from glitchvae.training.ensemble.members import member_config, obstacle_to_stacking


def test_axes_make_all_combinations(config):
    members = expand_members(config.model_copy(update={"seed": 3}), ["seeds=2", "beta0=5,25"])
    assert members == {
        "seed-3-beta0-5": {"seed": 3, "beta0": 5.0},
        "seed-3-beta0-25": {"seed": 3, "beta0": 25.0},
        "seed-4-beta0-5": {"seed": 4, "beta0": 5.0},
        "seed-4-beta0-25": {"seed": 4, "beta0": 25.0},
    }


def test_a_member_is_the_shared_settings_with_its_changes(config):
    found = member_config(config, {"seed": 7, "beta0": 9, "learning_rate": 0.5})
    objective = config.objective.model_copy(update={"beta0": 9.0})
    changes = {"seed": 7, "learning_rate": 0.5, "objective": objective}
    assert found == config.model_copy(update=changes)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (["beto0=5"], "cannot differ in 'beto0'.*'beta0'"),
        (["beta0=five"], "beta0: .*'five'"),
        (["beta0="], "no value in 'beta0='"),
        (["beta0"], "no value"),
        (["seeds=0"], "bad number of seeds"),
        (["seeds=2", "seed=1,2"], "each key once"),
        (["learning_rate=-1"], "learning_rate"),
    ],
)
def test_bad_axes_are_named(axes, message, config):
    with pytest.raises(ConfigError, match=message):
        expand_members(config, axes)


def test_members_that_differ_in_more_than_weights_and_seeds_cannot_be_stacked(config):
    def obstacle(*members, objective=config.objective):
        shared = config.model_copy(update={"objective": objective})
        return obstacle_to_stacking([member_config(shared, member) for member in members])

    assert obstacle({"seed": 1}, {"seed": 2, "beta0": 3}) == ""
    assert "learning_rate" in obstacle({}, {"learning_rate": 0.1})
    discriminator = obstacle({}, {"discriminator_steps": 5, "gamma": 3}, objective=Factor())
    assert "discriminator_steps" in discriminator
    assert "gamma" not in discriminator


def changed(value):
    return (
        {"constant": "cosine", "linear": "cosine"}[value] if isinstance(value, str) else value + 2
    )


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if OBJECTIVES[n].weight_keys()])
def test_keys_of_weights_act_through_schedules_alone(name):
    """What lets members that differ in them share one step."""
    torch.manual_seed(0)
    deep = name in ("dlgm", "tc-dlgm", "seatbelt")
    sizes = {"latent_sizes": (3, 2)} if deep else {"latent_size": 3}
    sizes |= {"likelihood_on": "all"} if name == "seatbelt" else {}
    sizes |= OBJECTIVES[name].model_defaults
    model = build("hierarchy" if deep else "image", {"image_shape": (1, 32, 32), **sizes})
    x = torch.rand(4, 1, 32, 32)
    everything, label = torch.ones(4, 1, 1, 1, dtype=torch.bool), torch.tensor([0, 0, 1, -1])
    batch = Batch(x, x, everything, 9, positive=x.flip(0), label=label)
    objective = read_objective({"name": name})
    discriminator = objective.discriminator(3)
    keys = type(objective).weight_keys()
    assert keys
    assert keys <= set(type(objective).model_fields)
    for key in keys:
        other = objective.model_copy(update={key: changed(getattr(objective, key))})
        terms = []
        for each in (objective, other):
            torch.manual_seed(1)
            terms.append(each(model, batch, objective.weights(3), discriminator))
        assert terms[0].keys() == terms[1].keys()
        assert all(torch.equal(terms[0][k], terms[1][k]) for k in terms[0]), key
