"""Draw real examples of every class beside simulated ones and their nearest neighbours.

    python docs/render_side_by_side.py [--imaging gravity-spy] [--seed 1] -o side_by_side.png

Real examples come from `$GLITCHVAE_TEST_DATA` (see tests/conftest.py); where there are
none, their place stays empty. The page is not committed: it holds pictures of others.
"""

import os
from pathlib import Path

import click
import h5py
import matplotlib.pyplot as plt
import numpy as np

import glitchvae as gv
from glitchvae.dataset.simulated import SimulatedStretch, image_stretch
from glitchvae.shapes import ENERGY_CEILING, VIEWS
from glitchvae.simulate import FAMILIES
from glitchvae.spectrogram import imaging_settings, pixel_to_energy

DEFAULT_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
EXAMPLES = 2  # of each kind
NEIGHBOURS = 2  # of the first real event of each class


def real_examples(folder):
    """The first events of each class as (4, F, T) energies, frequency ascending."""
    path = folder / "gravityspy" / "real_events.h5"
    if not path.exists():
        return {}
    with h5py.File(path) as file:
        return {label: [read(event) for event in events(group)] for label, group in file.items()}


def events(group):
    found = [group[split][name] for split in group for name in group[split]]
    return found[:EXAMPLES]


def read(event):
    pixels = np.stack([event[f"{view:.1f}.png"][0] for view in VIEWS])
    return pixel_to_energy(pixels[:, ::-1])


def simulated_examples(label, imaging, seed):
    stretch = SimulatedStretch(
        number=0,
        seed=np.random.SeedSequence([seed, *label.encode()]),
        ifo="L1",
        split="test",
        sample_rate=imaging.sample_rate,
        labels=(label,) * EXAMPLES,
    )
    return [image.astype(float) for image in image_stretch(stretch, imaging)[0].images]


def neighbours(real, simulated):
    """By class, the events nearest to its first real event, with their captions.

    Near is by codes of the default model, among all other events of the page.
    """
    pool = [(label, "real", event) for label, found in real.items() for event in found]
    pool += [(label, "sim.", event) for label, found in simulated.items() for event in found]
    codes = gv.load_model("default").encode(np.stack([event for *_, event in pool]))
    found = {}
    for row, (label, kind, _) in enumerate(pool):
        if kind == "real" and label not in found:
            order = np.argsort(np.linalg.norm(codes - codes[row], axis=1))
            near = [pool[other] for other in order if other != row][:NEIGHBOURS]
            found[label] = [(f"{name}, {of}", event) for name, of, event in near]
    return found


def draw(axes, label, real, simulated, near):
    blank = np.full((len(VIEWS), 1, 1), np.nan)
    columns = [*real, *[blank] * (EXAMPLES - len(real)), *simulated]
    columns += [event for _, event in near] + [blank] * (NEIGHBOURS - len(near))
    for place, view in enumerate(view for event in columns for view in event):
        axes[place].imshow(view, origin="lower", aspect="auto", vmin=0, vmax=ENERGY_CEILING)
        axes[place].set(xticks=[], yticks=[])
    axes[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    for number, (caption, _) in enumerate(near):
        place = axes[(2 * EXAMPLES + number) * len(VIEWS)]
        place.text(
            0.02, 0.97, caption, color="white", va="top", fontsize=5, transform=place.transAxes
        )


@click.command()
@click.option("--imaging", "name", default="gravity-spy", show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(name, seed, output):
    real = real_examples(Path(os.environ.get("GLITCHVAE_TEST_DATA", DEFAULT_DATA)))
    simulated = {
        label: simulated_examples(label, imaging_settings(name), seed) for label in FAMILIES
    }
    near = neighbours(real, simulated)
    size = (len(FAMILIES), (2 * EXAMPLES + NEIGHBOURS) * len(VIEWS))
    figure, axes = plt.subplots(*size, figsize=(size[1] * 1.1, size[0] * 0.9))
    for row, label in zip(axes, FAMILIES, strict=True):
        draw(row, label, real.get(label, []), simulated[label], near.get(label, []))
    for part, title in enumerate(("real", "simulated", "nearest to the first real one")):
        axes[0][part * EXAMPLES * len(VIEWS)].set_title(title, loc="left")
    figure.subplots_adjust(
        left=0.09, right=0.995, bottom=0.005, top=0.975, wspace=0.04, hspace=0.05
    )
    figure.savefig(output, dpi=90)


if __name__ == "__main__":
    main()
