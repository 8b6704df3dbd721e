"""An encoder that was written to a file gives the codes of its model."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from glitchvae.checkpoint import load_checkpoint, save_checkpoint
from glitchvae.embedding import export_encoder
from glitchvae.errors import InputError, ModelError
from glitchvae.models import build, prepare, scale_to_range, wrap_vae
from tests.cards import blank_card

SIZES = {
    "glitch": {"image_shape": (20, 24), "widths": (4, 8), "latent_size": 3},
    "image": {
        "network": "reference",
        "image_shape": (1, 16, 16),
        "latent_size": 3,
        "likelihood": "gaussian",
        "data_range": (-1.0, 1.0),
    },
    "hierarchy": {
        "network": "reference",
        "image_shape": (1, 16, 16),
        "latent_sizes": (4, 3),
        "hidden_widths": (8,),
    },
}


def open_model(name, folder):
    """A model, some of its images, and what it makes of them."""
    torch.manual_seed(0)
    model = build(name, SIZES[name])
    save_checkpoint(folder, model.eval(), blank_card())
    checkpoint = load_checkpoint(folder)
    if name == "glitch":
        images = 30 * torch.rand(3, 4, 140, 170)
        images[0, :, 100:] = torch.nan
        x = prepare(images)[0]
    else:
        images = torch.rand(3, 1, 16, 16)
        x = scale_to_range(images, model.likelihood)
    with torch.no_grad():
        posterior = checkpoint.model.encode(x)
    return checkpoint, images, posterior.mean.numpy(), 2 * posterior.stddev.log().numpy()


@pytest.fixture(params=SIZES)
def opened(request, tmp_path):
    return open_model(request.param, tmp_path / "model")


def compare(found, mean, log_var):
    np.testing.assert_allclose(found[0], mean, atol=1e-5)
    np.testing.assert_allclose(found[1], log_var, atol=1e-5)


def test_a_program_of_torch_gives_the_codes_of_any_batch(opened, tmp_path):
    checkpoint, images, mean, log_var = opened
    path = export_encoder(checkpoint, tmp_path / "encoder.pt2")
    encode = torch.export.load(path).module()
    with torch.no_grad():
        compare([each.numpy() for each in encode(images)], mean, log_var)
        compare([each.numpy() for each in encode(images[:1])], mean[:1], log_var[:1])


def test_an_onnx_file_gives_the_codes_of_any_batch(opened, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    checkpoint, images, mean, log_var = opened
    path = export_encoder(checkpoint, tmp_path / "encoder.onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_outputs()] == ["code_mean", "code_log_var"]
    about = session.get_modelmeta().custom_metadata_map
    assert about["glitchvae.code_digest"] == checkpoint.digest
    compare(session.run(None, {"images": images.numpy()}), mean, log_var)
    compare(session.run(None, {"images": images[:1].numpy()}), mean[:1], log_var[:1])


def test_neither_glitchvae_nor_its_training_is_needed_to_run_it(tmp_path):
    """In one process for all models, as torch is long in starting."""
    expected = {}
    for name in SIZES:
        checkpoint, images, expected[name], _ = open_model(name, tmp_path / name)
        export_encoder(checkpoint, tmp_path / f"{name}.pt2")
        np.save(tmp_path / f"{name}-images.npy", images.numpy())
    code = (
        "import sys, numpy, torch\n"
        f"for name in {list(SIZES)!r}:\n"
        "    encode = torch.export.load(f'{name}.pt2').module()\n"
        "    found = encode(torch.from_numpy(numpy.load(f'{name}-images.npy')))[0]\n"
        "    numpy.save(f'{name}-found.npy', found.detach().numpy())\n"
        "assert not [name for name in sys.modules if name.startswith('glitchvae')]\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd=tmp_path)
    for name, mean in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}-found.npy"), mean, atol=1e-5)


def test_a_folder_opens_without_the_training(tmp_path):
    model = build("image", SIZES["image"])
    save_checkpoint(tmp_path / "model", model, blank_card())
    code = (
        "import sys\n"
        "from glitchvae.checkpoint import load_checkpoint\n"
        f"load_checkpoint({str(tmp_path / 'model')!r}).model\n"
        "wrong = ('glitchvae.training', 'glitchvae.objectives')\n"
        "assert not [name for name in sys.modules if name.startswith(wrong)]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Branching(nn.Module):
    """Its way depends on the values of the images."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(64, 6), nn.Linear(3, 64)

    def encode(self, x):
        if x.mean() > 0.5:
            x = 1 - x
        return self.up(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.down(z).sigmoid().unflatten(1, (1, 8, 8))


def test_what_cannot_be_exported_is_said_and_leaves_no_file(tmp_path):
    model = wrap_vae(Branching(), torch.rand(2, 1, 8, 8))
    save_checkpoint(tmp_path / "model", model, blank_card())
    checkpoint = load_checkpoint(tmp_path / "model", network=Branching())
    with pytest.raises(ModelError, match=r"torch cannot export this network.*must not branch"):
        export_encoder(checkpoint, tmp_path / "encoder.pt2")
    with pytest.raises(InputError, match=r"no format to export to.*\.onnx or \.pt2"):
        export_encoder(checkpoint, tmp_path / "encoder.pth")
    assert not list(tmp_path.glob("encoder*"))


def test_onnx_without_its_packages_names_the_extra(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "model", build("image", SIZES["image"]), blank_card())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"ONNX needs onnx and onnxscript.*\[onnx\].*\.pt2"):
        export_encoder(load_checkpoint(tmp_path / "model"), tmp_path / "encoder.onnx")
