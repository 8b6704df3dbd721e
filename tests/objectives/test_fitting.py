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


HIERARCHIES = {"dlgm", "tc-dlgm", "seatbelt"}
ONE_LAYER = {"factor", "tc", "dip-i", "dip-ii", "infovae", "iwae", "vamp"}


def test_one_latent_layer_fits_every_objective_that_is_not_named_after_several(model, hierarchy):
    for single in (model, hierarchy((3,), "all")):
        misfits = {name for name in OBJECTIVES if not fits(name, single)}
        assert misfits == HIERARCHIES | {"vamp"}


@pytest.mark.parametrize(
    ("name", "own_name"), [("seatbelt", "tc"), ("tc-dlgm", "tc"), ("dlgm", "beta")]
)
def test_one_layer_has_a_name_of_its_own(model, batch, name, own_name):
    objective = OBJECTIVES[name]()
    message = rf"'{name}'.*two latent layers or more; found one of 2.*the objective is {own_name}"
    with pytest.raises(ModelError, match=message):
        objective(model, batch, objective.weights(0))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_hierarchy_that_an_objective_brings_fits_it(hierarchy, name):
    objective = OBJECTIVES[name]()
    assert (objective.hierarchy_on is not None) == (name in HIERARCHIES)
    if objective.hierarchy_on is not None:
        objective.check(hierarchy((3, 2), objective.hierarchy_on))


@pytest.mark.parametrize(
    ("likelihood_on", "misfits"),
    [
        ("all", {*ONE_LAYER, "tc-dlgm"}),
        ("first", {*ONE_LAYER, "seatbelt"}),
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
