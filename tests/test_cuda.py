"""What runs on a GPU gives what the CPU gives, and does not wait for itself.

Every test runs on an emulated device, and with `-m gpu` on the machine's own.
"""

import copy

import numpy as np
import pytest
import torch

from glitchvae.archive import create_archive, fill_from_strain
from glitchvae.checkpoint import load_checkpoint
from glitchvae.dataset.simulated import plan_stretches, simulate_dataset
from glitchvae.embedding import Job, encode_spectrograms
from glitchvae.models import (
    GlitchVAESettings,
    HierarchySettings,
    ImageVAESettings,
    build,
)
from glitchvae.objectives import OBJECTIVES
from glitchvae.precision import full_precision
from glitchvae.qtransform import FrozenScan, Tiling, scan
from glitchvae.qtransform.whitening import whiten
from glitchvae.shapes import VIEWS
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from glitchvae.spectrogram.canvas import view_canvas
from glitchvae.strain import open_strain, write_gwosc
from glitchvae.training import Augmentation, PictureData, TrainingConfig, TrainingData, train
from glitchvae.training.ensemble import train_ensemble
from glitchvae.training.ensemble.members import member_config
from glitchvae.training.ensemble.strategy import STRATEGIES, make_ensemble
from glitchvae.training.trainer import Trainer
from glitchvae.triggers import find_triggers
from glitchvae.validation.disentanglement.encoding import encode, explain
from glitchvae.validation.robustness.attacks import attack
from glitchvae.validation.robustness.noise import evidence, noise_curve
from tests.emulated_cuda import EmulatedTensor, waits

RATE = 1024.0
TILING = Tiling(duration=8.0, sample_rate=RATE)
GRIDS = [view_canvas(duration).grid for duration in VIEWS]
PICTURES = {
    "image": {"image_shape": (1, 32, 32)},
    "hierarchy": {"image_shape": (1, 32, 32), "latent_sizes": (12, 6)},
}


@pytest.fixture(scope="module")
def strain():
    """A minute of H1 with three loud glitches."""
    return simulate_strain(64.0, "H1", 1, sample_rate=RATE, glitches=3)[0]


@pytest.fixture
def pictures(rng):
    labels = np.array(["a", "b"] * 16, dtype=object)
    split = np.array(["train"] * 24 + ["validation"] * 8, dtype=object)
    return PictureData.from_images(rng.random((32, 1, 32, 32)) > 0.5, labels=labels, split=split)


@pytest.fixture
def glitches(rng):
    images = rng.exponential(1.0, (8, 4, 20, 24)).astype(np.float32)
    return TrainingData.from_images(images, labels=np.array(["a", "b"] * 4, dtype=object))


# -- from strain to images ---------------------------------------------------------------


def blocks(rng):
    """Noise with a burst, noise with a hole, noise alone; where to look in each."""
    values = rng.standard_normal((3, TILING.samples))
    t = np.arange(TILING.samples) / RATE - 4.0
    values[0] += 8 * np.exp(-((t / 0.02) ** 2)) * np.sin(2 * np.pi * 120 * t)
    values[1, 100] = np.nan
    return torch.from_numpy(values), torch.tensor([4.0, 4.0, 3.8], dtype=torch.float64)


def test_whitening_and_scan_agree(cuda, rng):
    values, centre = blocks(rng)
    here = scan(whiten(values, RATE), TILING, centre=centre, grids=GRIDS)
    whitened = whiten(values.to(cuda), RATE)
    there = scan(whitened, TILING, centre=centre.to(cuda), grids=GRIDS)
    torch.testing.assert_close(whitened.cpu(), whiten(values, RATE), equal_nan=True)
    for name in ("q", "peak_time", "peak_frequency", "peak_energy"):
        found = getattr(there, name)
        assert found.device == cuda
        torch.testing.assert_close(
            found.cpu(), getattr(here, name), rtol=1e-4, atol=0.0, equal_nan=True
        )
    for found, expected in zip(there.views, here.views, strict=True):
        error = ((found.cpu() - expected) / expected).abs()
        assert torch.equal(found.isnan().cpu(), expected.isnan())
        assert (error[[0, 2]].flatten(1).nanmedian(dim=1).values <= 1e-5).all()


def test_a_frozen_scan_has_the_same_gradient(cuda, rng):
    values, _ = blocks(rng)
    gradients = []
    for place in ("cpu", cuda):
        whitened = whiten(values[:1].to(place), RATE)
        frozen = FrozenScan.of(whitened, TILING, centre=4.0, grids=GRIDS[:1])
        leaf = whitened.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(frozen.views(leaf)[0].nansum(), leaf)
        gradients.append(gradient.cpu())
    scale = float(gradients[0].abs().max())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.0, atol=1e-4 * scale)


def test_triggers_agree(cuda, strain):
    here, there = (find_triggers(strain, snr=7.5, device=str(d)) for d in ("cpu", cuda))
    assert len(here) > 0
    np.testing.assert_array_equal(there.gps, here.gps)
    np.testing.assert_allclose(there.snr, here.snr, rtol=1e-4)


def test_a_search_looks_once_at_each_plane(cuda, strain):
    with waits() as found:
        find_triggers(strain, snr=7.5, device=str(cuda))
    planes = Tiling(duration=32.0, sample_rate=RATE).planes
    blocks_searched, rows = 2, sum(len(plane.tiles) for plane in planes)
    assert len(found) <= blocks_searched * (1 + 3 * len(planes)) < rows / 10


def test_from_strain_to_an_archive(cuda, strain, tmp_path):
    path = tmp_path / "H-H1_TEST-1-64.hdf5"
    write_gwosc(path, strain)
    codes = []
    for place in ("cpu", str(cuda)):
        job = Job(checkpoint=load_checkpoint("default"), imaging=IMAGING["light"], device=place)
        archive = create_archive(tmp_path / place.replace(":", ""))
        codes.append(fill_from_strain(archive, open_strain([path]), None, job).rows)
    here, there = codes
    assert list(there.event_id) == list(here.event_id)
    assert list(there.class_name) == list(here.class_name)
    np.testing.assert_allclose(there.mean, here.mean, atol=1e-3)


def test_simulated_images_and_their_codes_agree(cuda):
    plan = plan_stretches(8, 5)
    sets = [
        SpectrogramSet.join(
            [part for part, _ in simulate_dataset(plan, IMAGING["light"], device=d)]
        )
        for d in ("cpu", str(cuda))
    ]
    grey_step = 25.5 / 256
    error = np.abs(sets[1].images.astype(np.float32) - sets[0].images.astype(np.float32))
    assert np.nanmax(error) <= 2 * grey_step
    assert np.nanmean(error > 0) < 1e-2
    checkpoint = load_checkpoint("default", str(cuda))
    found = encode_spectrograms(sets[0], checkpoint, device=str(cuda), uncertainty=True)
    expected = encode_spectrograms(sets[0], load_checkpoint("default"), uncertainty=True)
    for name in ("mean", "log_var", "latent_spread", "view_agreement", "code_stability"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3)


# -- precision ---------------------------------------------------------------------------


def precision_of_convolutions():
    """What torch does on a GPU, by whichever setting this version has."""
    switch = getattr(torch.backends.cudnn, "conv", None)
    return torch.backends.cudnn.allow_tf32 if switch is None else switch.fp32_precision


def test_codes_take_no_tf32(cuda, monkeypatch):
    before, seen = precision_of_convolutions(), set()

    def spied(convolution):
        def call(*arguments, **options):
            seen.add(precision_of_convolutions())
            return convolution(*arguments, **options)

        return call

    model = build("image", PICTURES["image"]).to(cuda)
    monkeypatch.setattr(torch.nn.Conv2d, "forward", spied(torch.nn.Conv2d.forward))
    model.encode(torch.rand(2, 1, 32, 32).to(cuda))
    assert seen == {"ieee"} or seen == {False}
    assert precision_of_convolutions() == before


def test_the_cpu_is_left_as_it_is():
    before = precision_of_convolutions()
    with full_precision(torch.device("cpu")):
        assert precision_of_convolutions() == before


# -- training ----------------------------------------------------------------------------


def model_of(name, objective):
    if name == "image":
        return ImageVAESettings(**PICTURES["image"], **OBJECTIVES[objective].model_defaults)
    if name == "glitch":
        return GlitchVAESettings(image_shape=(20, 24), widths=(4, 8), hidden=8)
    on = "first" if objective == "tc-dlgm" else "all"
    return HierarchySettings(**PICTURES["hierarchy"], likelihood_on=on)


def config_of(model, objective, **changes):
    """Settings of a short run; objectives that compare two changes of each event get them."""
    compares = objective in ("consistent", "labelled")
    augmentation = Augmentation(
        positive_pairs=compares, hidden_view=0.5, other_noise=0.5, loudness=(0.5, 1.5)
    )
    given = {"batch_size": 4, "steps": 3, "compiled": "no", "augmentation": augmentation}
    return TrainingConfig(
        objective=OBJECTIVES[objective](), model=model_of(model, objective), **(given | changes)
    )


ONE_LAYER = ("factor", "tc", "dip-i", "dip-ii", "infovae", "iwae", "vamp")
HIERARCHIES = ("dlgm", "tc-dlgm", "seatbelt")
COMBINATIONS = [
    *(
        (m, o)
        for m in ("image", "hierarchy")
        for o in sorted(OBJECTIVES)
        if o not in ("consistent", "labelled")
        and o not in (ONE_LAYER if m == "hierarchy" else HIERARCHIES)
    ),
    *(("glitch", o) for o in ("annealed", "factor", "tc", "consistent", "labelled")),
]


@pytest.mark.parametrize(("model", "objective"), COMBINATIONS)
def test_steps_stay_on_the_device(model, objective, cuda, pictures, glitches):
    data = glitches if model == "glitch" else pictures
    trainer = Trainer(data, config_of(model, objective), cuda)
    trainer.advance()
    with waits() as found:
        trainer.advance()
    assert found == []
    assert {p.device for p in trainer.model.parameters()} == {cuda}
    terms = trainer.read_terms()
    assert terms["step"] == 2
    assert np.isfinite(list(terms.values())).all()


@pytest.mark.parametrize("model", ["image", "hierarchy", "glitch"])
def test_a_step_starts_where_it_does_on_the_cpu(model, cuda, pictures, glitches):
    """KL of the first posterior: draws are those of the device, and do not enter it."""
    data = glitches if model == "glitch" else pictures
    kl = [Trainer(data, config_of(model, "beta"), d).probe(4).kl.cpu() for d in ("cpu", cuda)]
    first = 12 if model == "hierarchy" else None
    torch.testing.assert_close(kl[1][:first], kl[0][:first], rtol=1e-2, atol=1e-5)


def test_a_run_goes_on(cuda, pictures, tmp_path):
    config = config_of("image", "factor", save_every=2)
    train(pictures, config, tmp_path / "run", device=cuda)
    more = config.model_copy(update={"steps": 5})
    run = train(pictures, more, tmp_path / "run", device=cuda, resume=True)
    checkpoint = load_checkpoint(run)
    assert checkpoint.card.steps == 5
    assert checkpoint.prototypes is not None
    assert np.isfinite(checkpoint.card.figures["validation_reconstruction"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_ensemble_stays_on_the_device(strategy, cuda, pictures):
    config = config_of("image", "factor")
    members = [member_config(config, {"seed": seed}) for seed in range(3)]
    ensemble = make_ensemble(pictures, members, cuda, strategy)
    ensemble.advance()
    with waits() as found:
        ensemble.advance()
    assert found == []
    assert len(ensemble.read_terms()) == 3
    alone = Trainer(pictures, members[1], "cpu")
    seen = Trainer(pictures, members[1], cuda)
    seen.restore(ensemble.states()[1])
    assert {p.shape for p in seen.model.parameters()} == {p.shape for p in alone.model.parameters()}


def test_a_whole_ensemble(cuda, pictures, tmp_path):
    members = {"a": {"seed": 1}, "b": {"seed": 2}}
    runs = train_ensemble(
        pictures, config_of("image", "beta"), members, tmp_path / "runs", device=cuda
    )
    for run in runs:
        assert np.isfinite(load_checkpoint(run).card.figures["validation_reconstruction"])


REAL = pytest.mark.parametrize("cuda", [pytest.param("real", marks=pytest.mark.gpu)], indirect=True)
"""For what is captured: an emulated device has no graphs."""


@REAL
@pytest.mark.parametrize(
    ("model", "objective"),
    [("image", "beta"), ("image", "factor"), ("hierarchy", "seatbelt"), ("glitch", "tc")],
)
def test_captured_steps_are_the_plain_ones(model, objective, cuda, pictures, glitches):
    data = glitches if model == "glitch" else pictures
    terms = []
    for compiled in ("no", "yes"):
        trainer = Trainer(data, config_of(model, objective, compiled=compiled), cuda)
        for _ in range(6):  # a few to warm up, one to be captured, some replays
            trainer.advance()
        terms.append(trainer.read_terms())
    assert trainer.forward.obstacle == ""
    assert terms[1]["loss"] == pytest.approx(terms[0]["loss"], rel=1e-3)


@REAL
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_captured_ensembles_learn_what_their_members_would(strategy, cuda, pictures):
    config = config_of("image", "beta", compiled="yes")
    members = [member_config(config, {"seed": seed}) for seed in range(4)]
    losses = []
    for kind in ("loop", strategy):
        ensemble = make_ensemble(pictures, members, cuda, kind)
        for _ in range(6):
            ensemble.advance()
        losses.append([row["loss"] for row in ensemble.read_terms()])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


# -- trained models ----------------------------------------------------------------------


@pytest.fixture(params=["image", "hierarchy"])
def model(request):
    torch.manual_seed(3)
    return build(request.param, PICTURES[request.param]).eval()


@pytest.fixture
def pair(rng):
    return torch.from_numpy(rng.random((4, 1, 32, 32))).float().split(2)


@pytest.mark.parametrize("goal", ["latent", "mean", "output"])
def test_attacks_agree(goal, cuda, model, pair):
    inputs, targets = pair
    lambdas = [1e-3, 1.0, 1e3]
    there = copy.deepcopy(model).to(cuda)
    given = {"goal": goal, "evaluations": 12}
    here = attack(model, inputs, targets, lambdas, **given)
    found = attack(there, inputs.to(cuda), targets.to(cuda), lambdas, keep=True, **given)
    np.testing.assert_allclose(found.clean_divergence, here.clean_divergence, rtol=1e-2)
    np.testing.assert_allclose(found.objective, here.objective, rtol=0.05)
    assert found.perturbation.shape == (6, 1, 32, 32)


def test_attacks_one_by_one(cuda, model, pair):
    inputs, targets = (images.to(cuda) for images in pair)
    there = model.to(cuda)
    alone = attack(there, inputs, targets, [1.0], method="l-bfgs-b", evaluations=5)
    assert set(alone.status) == {"ok"}


def test_codes_and_noise_agree(cuda, model, pictures, rng):
    there = copy.deepcopy(model).to(cuda)
    here, found = encode(model, pictures), encode(there, pictures, device=cuda)
    np.testing.assert_allclose(found.mean, here.mean, atol=1e-3)
    np.testing.assert_allclose(found.log_var, here.log_var, atol=1e-3)
    expected = explain(model, pictures).rate
    assert explain(there, pictures, device=cuda).rate == pytest.approx(expected, rel=0.1)
    images = pictures.images(slice(0, 4))
    curves = [
        noise_curve(m, x, [0.0, 0.3], torch.Generator().manual_seed(0))
        for m, x in ((model, images), (there, images.to(cuda)))
    ]
    np.testing.assert_allclose(curves[1].log_likelihood, curves[0].log_likelihood, rtol=1e-2)
    assert np.isfinite(evidence(there, images.to(cuda)).elbo)


# -- the emulation itself ----------------------------------------------------------------


@pytest.mark.parametrize("cuda", ["emulated"], indirect=True)
def test_the_emulation_refuses_what_cuda_refuses(cuda):
    there, here = torch.arange(4.0, device=cuda), torch.ones(4)
    assert isinstance(there, EmulatedTensor)
    with pytest.raises(RuntimeError, match="same device"):
        there + here
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    with pytest.raises(RuntimeError, match="indices"):
        here[there.long()]
    assert (there * torch.tensor(2.0))[torch.tensor([3, 1])].tolist() == [6.0, 2.0]
    with waits() as found:
        _ = there[there > 1], float(there[0]), there.cpu(), there.sum()
    assert len(found) == 3
