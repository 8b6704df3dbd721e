"""Published values lie beside ours once each, and numbers survive their tables."""

from collections import Counter

import numpy as np
import pytest
from glitchvae_recipe_seatbelt_robustness.claims import Cell
from glitchvae_recipe_seatbelt_robustness.comparing import Study, bounds, compare
from glitchvae_recipe_seatbelt_robustness.numbers import (
    Numbers,
    numbers_of,
    read_numbers,
    write_numbers,
)
from glitchvae_recipe_seatbelt_robustness.page import merge, write_page

from glitchvae.errors import InputError
from glitchvae.models import build
from glitchvae.recipes.settings import SETTINGS
from glitchvae.validation.robustness.measuring import measure_robustness
from glitchvae.validation.robustness.noise import Elbo, WeightNorms


def numbers(**changes):
    given = {
        "evidence": Elbo(-100.0, 1.0, 90.0, (10.0,)),
        "norms": WeightNorms(20.0, 30.0),
        "mean_relative_divergence": np.array([0.3, 0.4]),
        "half_divergence_norm": np.array([1.0, 2.0]),
        "loglik_drop": 5.0,
        "mig_top": 0.1,
        "delta_latent": 2.0,
        "delta_output": 100.0,
        "target_distortion": 300.0,
        "by_layer": {},
    }
    return Numbers(**{**given, **changes})


def study(data="chairs", seeds=5, short=(), reductions=()):
    """beta-TCVAE and both hierarchies; with beta norms change and Delta grows a thousandfold."""
    found = {}
    for kind, depth in (("tc", 1), ("tc-dlgm", 2), ("seatbelt", 2), ("seatbelt", 4)):
        for seed in range(seeds):
            found[Cell(kind, depth, 1.0, seed)] = numbers()
            found[Cell(kind, depth, 10.0, seed)] = numbers(
                norms=WeightNorms(20.0 * (1.05 + 0.01 * seed), 30.0 * (0.81 + 0.001 * seed)),
                mig_top=0.2 + 0.01 * seed,
                delta_latent=2.0 * 10 ** (3 + 0.1 * seed),
                delta_output=120.0,
            )
    return Study(data, found, dict.fromkeys(short, ("collapsed",)), reductions)


def by_name(beside):
    return {one.name: one for one in beside}


def test_every_published_value_is_there_once_whatever_was_run():
    for studies in ([], [study()], [study("dsprites"), study("faces")]):
        beside = compare(studies)
        assert Counter(one.table for one in beside) == {
            "Table 1": 12,
            "Table D.1": 6,
            "Table J.2": 36,
            "section 5.2": 4,
        }
        assert len(by_name(beside)) == len(beside)
        assert len(bounds(studies)) == 1
    assert {one.compared.verdict for one in compare([])} == {"cannot be judged: 0 seeds"}


def test_values_lie_beside_those_of_the_same_images_model_and_beta():
    found = by_name(compare([study()]))
    norm = found["beta-TCVAE on chairs: norm of the encoder from beta 1 to 10"].compared
    assert norm.ours == pytest.approx((5, 6, 7, 8, 9))
    assert (norm.published, norm.verdict) == (5.0, "consistent")
    decoder = found["beta-TCVAE on chairs: norm of the decoder from beta 1 to 10"].compared
    assert decoder.ours == pytest.approx((-19, -18.9, -18.8, -18.7, -18.6))
    assert decoder.verdict == "not consistent"  # -19.4
    gap = found["Seatbelt-VAE, L = 2 on chairs: MIG of z_L, beta 10"].compared
    assert gap.ours == pytest.approx((0.2, 0.21, 0.22, 0.23, 0.24))
    assert found["Seatbelt-VAE, L = 2 on chairs: MIG of z_L, beta 4"].compared.ours == ()
    (times,) = [one for name, one in found.items() if "beta-TCVAE on chairs: Delta_latent" in name]
    assert times.compared.ours == pytest.approx((3, 3.1, 3.2, 3.3, 3.4))
    assert (times.compared.published, times.compared.verdict) == (3.0, "consistent")
    assert found["beta-TCVAE on faces: norm of the encoder from beta 1 to 10"].compared.ours == ()


def test_a_bound_is_a_claim():
    (claim,) = bounds([study("faces")])
    assert "is above 10" in claim.text
    assert claim.found.value == pytest.approx(2.2)  # of 3.2 powers of ten
    assert claim.verdict == "confirmed"
    assert bounds([study("chairs")])[0].verdict == "cannot be judged"


def test_reduced_few_and_failed_trainings_are_not_judged():
    name = "beta-TCVAE on chairs: norm of the encoder from beta 1 to 10"
    verdict = lambda **given: by_name(compare([study(**given)]))[name].compared.verdict  # noqa: E731
    assert verdict(reductions=("fewer images",)) == "reduced: rank only"
    assert verdict(seeds=4) == "cannot be judged: 4 seeds"
    short = (Cell("tc", 1, 1.0, 2), Cell("tc", 1, 10.0, 2), Cell("tc", 1, 10.0, 4))
    assert verdict(short=short) == "cannot be judged: 2 of 5 trainings fell short"


def test_studies_of_the_same_images_are_one():
    one, other = study(), study()
    apart = Study("chairs", dict(list(other.found.items())[:3]), {}, ("x",))
    (merged,) = merge([apart, one])
    assert (merged.found.keys(), merged.reductions) == (one.found.keys(), ("x",))


@pytest.fixture(scope="module")
def measured():
    import torch

    torch.manual_seed(0)
    sizes = {"latent_sizes": (4, 2), "hidden_widths": (8,), "likelihood_on": "all"}
    model = build("hierarchy", {"network": "reference", "image_shape": (1, 16, 16), **sizes})
    images = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    options = {"pairs": 3, "strengths": [1e-3, 1.0], "scales": (0.0, 0.2), "evaluations": 3}
    return measure_robustness(model.eval(), images, output=True, each_layer=True, **options)


def test_numbers_survive_their_tables(measured, tmp_path):
    cells = [Cell("seatbelt", 2, beta, 0) for beta in (1.0, 10.0)]
    short = {cells[0]: ("collapsed: z2", "unfinished"), cells[1]: ()}
    write_numbers(dict.fromkeys(cells, measured), short, tmp_path)
    found, again = read_numbers(tmp_path)
    assert again == short
    kept, expected = found[cells[0]], numbers_of(measured)
    for name in ("loglik_drop", "delta_latent", "delta_output", "target_distortion"):
        assert getattr(kept, name) == pytest.approx(getattr(expected, name))
    for name in ("mean_relative_divergence", "half_divergence_norm"):
        np.testing.assert_allclose(getattr(kept, name), getattr(expected, name))
    assert kept.by_layer.keys() == {0, 1, 2}
    for layer, values in expected.by_layer.items():
        np.testing.assert_allclose(kept.by_layer[layer], values, atol=1e-5)
    assert kept.evidence.rates == pytest.approx(expected.evidence.rates, abs=0.005)
    assert [len(layer) for layer in kept.evidence.units] == [4, 2]
    assert kept.norms == pytest.approx(expected.norms)


def test_tables_of_an_older_study_can_be_read(measured, tmp_path):
    cell = Cell("seatbelt", 2, 1.0, 0)
    write_numbers({cell: measured}, {cell: ()}, tmp_path)
    (tmp_path / "pairs.csv").unlink()
    lines = [line.split(",") for line in (tmp_path / "models.csv").read_text().splitlines()]
    place = lines[0].index("units")
    (tmp_path / "models.csv").write_text("\n".join(",".join(x[:place]) for x in lines))
    kept = read_numbers(tmp_path)[0][cell]
    expected = numbers_of(measured).mean_relative_divergence.mean()
    assert kept.mean_relative_divergence == pytest.approx([expected])
    assert np.isnan(kept.delta_latent)
    assert kept.evidence.units == ()


@pytest.mark.parametrize("text", ["kind,layers\ntc,1\n", "kind,layers,beta,seed\ntc,one,1,0\n"])
def test_a_table_of_something_else_is_named(tmp_path, text):
    with pytest.raises(InputError, match="no table of a study of robustness"):
        read_numbers(tmp_path)
    (tmp_path / "models.csv").write_text(text)
    with pytest.raises(InputError, match=r"models\.csv: no table of a study"):
        read_numbers(tmp_path)
    with pytest.raises(InputError, match=f"no study here; expected {SETTINGS}"):
        write_page([tmp_path], tmp_path / "page.md")
