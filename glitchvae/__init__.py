"""Find, embed, classify and discover classes of glitches in gravitational-wave strain.

    import glitchvae as gv

    events = gv.embed("H-H1_STRAIN.hdf5")                 # or a gwpy TimeSeries; triggers=…
    events.to_table()                                     # gwpy EventTable; .to_pandas(), .images
    archive = gv.open_archive("glitch-archive")           # .events(class_name=…), .similar(…)
    run = gv.discover(archive)                            # .candidates, .write_report(…)
    gv.adapt(archive, "labels.csv", output="mine")        # a model for this detector and run

    model = gv.load_model("default")                      # a trained VAE: encode, predict, decode
    data = gv.open_dataset("set.h5")                      # images, labels, splits; data.torch()
    codes = model.encode(data)                            # (N, Z) posterior means
    gv.probe(codes, data)                                 # what codes know of the classes
    mine = gv.train(pictures, "factor", 10_000)           # any array of pictures; model=my_module
    gv.disentanglement(mine.encode, gv.dsprites())        # six metrics, of any callable
    gv.attack(mine, pictures[:8], pictures[8:16])         # how little turns one into another

Names are loaded when they are first used; `docs/python.md` has a run example of each. The same
from a shell: `glitchvae --help`, or `python -m glitchvae`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glitchvae.api.adapting import adapt
    from glitchvae.api.archives import GlitchArchive, discover, open_archive
    from glitchvae.api.datasets import Dataset, chairs, dsprites, open_dataset, simulate_dataset
    from glitchvae.api.measuring import attack, disentanglement, probe
    from glitchvae.api.models import Model, load_model
    from glitchvae.api.strain import Events, Images, embed, find_triggers, make_spectrograms
    from glitchvae.api.training import train
    from glitchvae.errors import GlitchvaeError

    __version__: str

__all__ = [
    "Dataset",
    "Events",
    "GlitchArchive",
    "GlitchvaeError",
    "Images",
    "Model",
    "__version__",
    "adapt",
    "attack",
    "chairs",
    "discover",
    "disentanglement",
    "dsprites",
    "embed",
    "find_triggers",
    "load_model",
    "make_spectrograms",
    "open_archive",
    "open_dataset",
    "probe",
    "simulate_dataset",
    "train",
]

_MODULE_OF = {
    # Detector characterisation
    "Events": "api.strain",
    "GlitchArchive": "api.archives",
    "Images": "api.strain",
    "discover": "api.archives",
    "embed": "api.strain",
    "find_triggers": "api.strain",
    "make_spectrograms": "api.strain",
    "open_archive": "api.archives",
    # Machine learning
    "adapt": "api.adapting",
    "Dataset": "api.datasets",
    "Model": "api.models",
    "attack": "api.measuring",
    "chairs": "api.datasets",
    "disentanglement": "api.measuring",
    "dsprites": "api.datasets",
    "load_model": "api.models",
    "open_dataset": "api.datasets",
    "probe": "api.measuring",
    "simulate_dataset": "api.datasets",
    "train": "api.training",
    # Both
    "GlitchvaeError": "errors",
}
"""Public name -> the module that holds it, imported when the name is first used."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = _version()
    elif name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    else:
        here = importlib.import_module(__name__)
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=here
        )  # with these two Python names the nearest public name
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(__name__)
    except PackageNotFoundError:  # a bare checkout that was never installed
        return "0.0.0+unknown"
