"""Tiny models of every architecture, network and likelihood."""

import pytest
import torch

from glitchvae.models import build

PICTURE = {"image_shape": (2, 16, 19), "latent_size": 3}
LAYERED = {"image_shape": (2, 16, 19), "latent_sizes": (5, 4, 3), "hidden_widths": (8, 6)}
GLITCH = {"image_shape": (20, 24), "widths": (4, 8), "hidden": 16}
SIGNED = {"likelihood": "gaussian-fixed", "width": 0.5, "data_range": (-1.0, 1.0)}

FAMILY = {
    "glitch": ("glitch", GLITCH | {"latent_size": 3}),
    "glitch gaussian": ("glitch", GLITCH | {"latent_size": 3, "likelihood": "gaussian"}),
    "glitch energies": ("glitch", GLITCH | {"latent_size": 3, "likelihood": "clipped-energy"}),
    "burgess": ("image", PICTURE | {"network": "burgess"}),
    "reference": ("image", PICTURE | {"network": "reference"}),
    "chen-mlp": ("image", PICTURE | {"network": "chen-mlp"}),
    "chen-conv": ("image", PICTURE | {"network": "chen-conv"}),
    "burgess gaussian": ("image", PICTURE | {"likelihood": "gaussian"}),
    "burgess signed": ("image", PICTURE | SIGNED),
    "burgess signed identity": ("image", PICTURE | SIGNED | {"mean": "identity"}),
    "hierarchy of one": ("hierarchy", LAYERED | {"latent_sizes": (4,), "hidden_widths": ()}),
    "hierarchy first": ("hierarchy", LAYERED | {"likelihood_on": "first"}),
    "hierarchy all": ("hierarchy", LAYERED | {"likelihood_on": "all"}),
    "hierarchy chen-conv": ("hierarchy", LAYERED | {"network": "chen-conv"}),
    "hierarchy glitch": (
        "hierarchy",
        {"network": "glitch", "glitch": GLITCH, "latent_sizes": (5, 3)},
    ),
}


@pytest.fixture(params=FAMILY, scope="module")
def model(request):
    """One of the family, with the statistics of a few batches."""
    torch.manual_seed(0)
    model = build(*FAMILY[request.param])
    for _ in range(3):
        model(pictures(model))
    return model.eval()


def pictures(model, count=6, seed=1):
    """Input of a model: glitches with the computed band, or pictures in its range."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *input_shape(model), generator=generator)


def input_shape(model):
    settings = model.settings
    network = getattr(settings, "glitch", None) or settings
    if hasattr(network, "views"):
        return (network.views + 1, *network.image_shape)
    return settings.image_shape


def targets(model, x):
    """What the likelihood has to explain of an input: all but the computed band."""
    return x[:, :4] if x.shape[1] == 5 else x
