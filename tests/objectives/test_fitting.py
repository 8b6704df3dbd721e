"""An objective meets only models that it is defined for."""

import pytest

from glitchvae.errors import ModelError
from glitchvae.objectives import OBJECTIVES


def fits(name, model) -> bool:
    try:
        OBJECTIVES[name]().check(model)
    except ModelError:
        return False
    return True


def test_one_latent_layer_fits_every_objective(model):
    assert all(fits(name, model) for name in OBJECTIVES)


@pytest.mark.parametrize(
    ("likelihood_on", "misfits"),
    [
        ("all", {"factor", "tc", "dip-i", "dip-ii", "tc-dlgm"}),
        ("first", {"factor", "tc", "dip-i", "dip-ii", "seatbelt"}),
    ],
)
def test_hierarchies_fit_the_objectives_made_for_them(hierarchy, likelihood_on, misfits):
    model = hierarchy((3, 2), likelihood_on)
    assert {name for name in OBJECTIVES if not fits(name, model)} == misfits


@pytest.mark.parametrize(
    ("name", "likelihood_on", "message"),
    [
        ("tc", "all", r"'tc'.*one latent layer; found a hierarchy with latent layers of \[3, 2\]"),
        ("seatbelt", "first", r"'seatbelt'.*likelihood_on = \"all\"; found a hierarchy.*\"first\""),
        ("tc-dlgm", "all", r"'tc-dlgm'.*likelihood_on = \"first\"; found a hierarchy.*\"all\""),
    ],
)
def test_a_misfit_names_objective_and_model(hierarchy, batch, name, likelihood_on, message):
    objective = OBJECTIVES[name]()
    with pytest.raises(ModelError, match=message):
        objective(hierarchy((3, 2), likelihood_on), batch, objective.weights(0))


@pytest.mark.parametrize("name", ["dlgm", "tc-dlgm", "seatbelt"])
def test_free_bits_need_a_layer_below_the_top(model, hierarchy, name):
    objective = OBJECTIVES[name].model_validate({"free_bits": 1})
    with pytest.raises(ModelError, match=f"free bits of the objective '{name}'.*Set free_bits = 0"):
        objective.check(model)
    objective.check(hierarchy((3, 2), "first" if name == "tc-dlgm" else "all"))
