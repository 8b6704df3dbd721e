"""A card says what made the model."""

import hashlib
import subprocess
from pathlib import Path

import glitchvae
from glitchvae.objectives import Beta, Linear
from glitchvae.training import TrainingConfig
from glitchvae.training.provenance import provenance_of


class Falling(Beta):
    """An objective in this file."""

    def schedules(self):
        return {"beta": Linear(4.0, self.beta, 10)}


def test_the_sources_and_the_modules_of_ones_own_are_told():
    found = provenance_of(TrainingConfig(objective=Falling()))
    assert found["modules"] == {__name__: hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    assert "modules" not in provenance_of(TrainingConfig())
    folder = Path(glitchvae.__file__).parent
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert found.get("commit", "") == head.stdout.strip()


def test_without_git_the_rest_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = provenance_of(TrainingConfig())
    assert "commit" not in found
    assert {"python", "torch", "numpy", "command"} <= set(found)
