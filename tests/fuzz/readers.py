"""Every reader of files from outside, with a good file to begin from.

A reader takes a path and does with it what the commands do. It returns, or raises a
`GlitchvaeError`; anything else is a finding.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from glitchvae.archive import Archive, create_archive, image_tasks
from glitchvae.archive.labels import read_label_table
from glitchvae.classes.catalog import read_card as read_class_card
from glitchvae.classes.model_card import read_card as read_model_card
from glitchvae.classes.prototypes import Prototypes
from glitchvae.config import read_toml
from glitchvae.dataset import write_gravity_spy
from glitchvae.dataset.pictures import read_picture
from glitchvae.embedding import (
    Embeddings,
    limit_sources,
    open_inputs,
    read_embeddings,
    write_embeddings,
)
from glitchvae.shapes import IMAGE_SHAPE
from glitchvae.spectrogram import SpectrogramSet
from glitchvae.strain import Strain, write_gwosc
from glitchvae.strain.segments import read_segments
from glitchvae.triggers import Triggers, read_triggers, write_triggers

START, RATE = 1_000_000_000.0, 1024


@dataclass(frozen=True)
class Reader:
    """What is read, and how a good one is made.

    Attributes:
        kind: Name of the mutation that knows its structure.
        name: Of the file or folder.
        make: Writes a good one.
        read: Does with it what commands do.
    """

    kind: str
    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], None]


def read_inputs(path: Path) -> None:
    """As `embed` opens and reads; what it would name as a problem is raised."""
    inputs = open_inputs([path])
    for source in limit_sources(inputs.sources):
        for start, end in source.segments:
            source.read(start, min(end, start + 4096))
    tasks, damaged = image_tasks(inputs.image_sets)
    for task in tasks:
        for part in task.parts():
            _ = part.usable
    for problem in (*inputs.problems, *damaged):
        raise problem


def read_archive(path: Path) -> None:
    """All that the commands ask of an archive, each whatever the others said."""
    from glitchvae.errors import GlitchvaeError

    archive, problems = Archive(path), []

    def attempt(ask: Callable[[], object]) -> None:
        try:
            ask()
        except GlitchvaeError as error:
            problems.append(error)

    attempt(archive.info)
    attempt(lambda: list(archive.verify()))
    attempt(lambda: archive.thumbnails(archive.embeddings()))
    attempt(archive.live_time)
    attempt(lambda: archive.export(path.parent / "export.csv"))
    attempt(lambda: archive.nearest("H1-1000000000.0000", 5))
    attempt(lambda: archive.label({"H1-1000000001.0000": "Blip"}))
    attempt(archive.refresh_classes)
    for problem in problems:
        raise problem


def read_table(path: Path) -> None:
    """Embeddings, as commands that take a file of them read it."""
    read_embeddings(path)


def read_trigger_file(path: Path) -> None:
    """Triggers, as `embed --triggers` reads them."""
    _ = read_triggers(path).ifos


def _strain(path: Path) -> None:
    rng = np.random.default_rng(1)
    values = np.round(1e-21 * rng.standard_normal(8 * RATE), 23)
    write_gwosc(path, Strain(values=values, start=START, sample_rate=float(RATE), ifo="L1"))


def _gwpy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["L1:STRAIN"] = np.random.default_rng(1).standard_normal(4 * RATE)
        file["L1:STRAIN"].attrs.update(
            x0=START, dx=1 / RATE, xunit="s", unit="strain", channel="L1:STRAIN", name="L1:STRAIN"
        )


def _frame(path: Path) -> None:
    from gwpy.timeseries import TimeSeries

    values = np.random.default_rng(1).standard_normal(4 * RATE)
    TimeSeries(values, t0=START, sample_rate=RATE, name="L1:STRAIN", channel="L1:STRAIN").write(
        path, format="gwf"
    )


def _images(count: int = 2) -> SpectrogramSet:
    rng = np.random.default_rng(1)
    columns = ("gps", "snr", "peak_frequency", "q", "duration", "bandwidth", "block_duration")
    return SpectrogramSet(
        images=rng.choice([0.0, 1.0, 25.5], (count, 4, *IMAGE_SHAPE)),
        event_id=[f"H1-{START + n:.4f}" for n in range(count)],
        ifo=["H1"] * count,
        **{name: np.ones(count) for name in columns},
        f_max=np.full(count, 2048.0),
        status=["ok"] * count,
        label=["Blip"] * count,
        split=["train"] * count,
    )


def _picture(path: Path) -> None:
    from PIL import Image

    values = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(values).resize((800, 600)).save(path)


def _triggers(count: int = 20) -> Triggers:
    rng = np.random.default_rng(1)
    names = ("snr", "peak_frequency", "central_frequency", "q", "duration", "bandwidth")
    return Triggers(
        event_id=[f"H1-{n}" for n in range(count)],
        gps=START + np.arange(count),
        ifo=["H1"] * count,
        **{name: rng.uniform(8, 20, count) for name in names},
        label=["Blip"] * count,
    )


def _omicron(path: Path) -> None:
    rows = np.zeros(20, dtype=[("time", "f8"), ("frequency", "f8"), ("snr", "f4"), ("kind", "S8")])
    rows["time"], rows["snr"], rows["kind"] = START + np.arange(20), 9, b"a"
    with h5py.File(path, "w") as file:
        file["triggers"] = rows
        file["triggers"].attrs["channel"] = "K1:STRAIN"


def _root(path: Path) -> None:
    import uproot

    with uproot.recreate(path) as file:
        columns = {"time": START + np.arange(20), "frequency": np.ones(20), "snr": np.ones(20)}
        file["triggers"] = columns


def _embeddings(count: int = 20) -> Embeddings:
    rng = np.random.default_rng(1)
    names = ("snr", "peak_frequency", "q", "duration", "bandwidth", "novelty_p")
    mean, log_var = rng.normal(size=(2, count, 4))
    return Embeddings(
        event_id=[f"H1-{START + n:.4f}" for n in range(count)],
        gps=START + np.arange(count),
        ifo=["H1"] * count,
        **{name: rng.uniform(8, 20, count) for name in names},
        mean=mean,
        log_var=log_var,
        class_name=["Blip"] * count,
        class_probability=rng.uniform(size=count),
        f_max=np.full(count, 2048.0),
        block_duration=np.full(count, 64.0),
        status=["ok"] * count,
        model={"name": "one", "digest": "1" * 64},
        imaging={"name": "light"},
    )


def _segments(path: Path) -> None:
    from gwpy.segments import DataQualityDict, DataQualityFlag

    known = [(START, START + 100)]
    flag = DataQualityFlag("H1:READY:1", known=known, active=[(START + 1, START + 9)])
    kind = {".h5": "hdf5", ".xml": "ligolw"}[path.suffix]
    DataQualityDict({flag.name: flag}).write(path, format=kind)


def _archive(path: Path) -> None:
    archive = create_archive(path)
    archive.append(_embeddings(2), _images(2))
    archive.label({"H1-1000000001.0000": "Whistle"}, reviewer="me")
    archive.info()


def _labels_parquet(path: Path) -> None:
    pq.write_table(pa.table({"event_id": ["a", "b"], "label": ["Blip", "Whistle"]}), path)


def _prototypes(path: Path) -> None:
    codes = np.random.default_rng(1).normal(size=(120, 3))
    Prototypes.fit(codes, np.repeat(["Blip", "Whistle", "Tomte"], 40)).save(path)


def _model(path: Path) -> None:
    from glitchvae import resources

    path.mkdir(parents=True)
    shutil.copy(resources.data("models/default/card.toml"), path)


def _class_card(path: Path) -> None:
    from glitchvae import resources

    shutil.copy(resources.shipped("catalog") / "classes" / "1080_lines.toml", path)


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


READERS = {
    "strain": Reader("hdf5", "L-L1_GWOSC.hdf5", _strain, read_inputs),
    "gwpy": Reader("hdf5", "L-L1_PLAIN.hdf5", _gwpy, read_inputs),
    "frame": Reader("bytes", "L-L1_FRAME-1000000000-4.gwf", _frame, read_inputs),
    "images": Reader("hdf5", "images.h5", lambda p: _images().write(p), read_inputs),
    "gravity spy": Reader(
        "hdf5", "gs.h5", lambda p: write_gravity_spy(_images(), p) and None, read_inputs
    ),
    "picture": Reader(
        "bytes", "H1_a_spectrogram_1.0.png", _picture, lambda p: read_picture(p).sum() and None
    ),
    "triggers": Reader(
        "hdf5", "H1.h5", lambda p: write_triggers(p, _triggers()), read_trigger_file
    ),
    "omicron": Reader("hdf5", "K1_omicron.hdf5", _omicron, read_trigger_file),
    "root": Reader("bytes", "K1.root", _root, read_trigger_file),
    "csv": Reader("text", "H1.csv", lambda p: write_triggers(p, _triggers()), read_trigger_file),
    "ecsv": Reader("text", "H1.ecsv", lambda p: write_triggers(p, _triggers()), read_trigger_file),
    "ligolw": Reader(
        "text", "H1-OMICRON.xml", lambda p: write_triggers(p, _triggers()), read_trigger_file
    ),
    "gzip": Reader(
        "bytes", "H1.xml.gz", lambda p: write_triggers(p, _triggers()), read_trigger_file
    ),
    "embeddings": Reader(
        "hdf5",
        "emb.h5",
        lambda p: write_embeddings(p, _embeddings()),
        read_table,
    ),
    "embeddings parquet": Reader(
        "parquet",
        "emb.parquet",
        lambda p: write_embeddings(p, _embeddings()),
        read_table,
    ),
    "embeddings csv": Reader(
        "text",
        "emb.csv",
        lambda p: write_embeddings(p, _embeddings()),
        read_table,
    ),
    "embeddings ecsv": Reader(
        "text",
        "emb.ecsv",
        lambda p: write_embeddings(p, _embeddings()),
        read_table,
    ),
    "segments": Reader(
        "text",
        "H1.txt",
        _text("# seg start stop duration\n0 1000000000 1000000009 9\n1 1000000020 1000000030 10\n"),
        lambda p: read_segments(p, ifo="H1") and None,
    ),
    "segments hdf5": Reader(
        "hdf5", "seg.h5", _segments, lambda p: read_segments(p, ifo="H1") and None
    ),
    "segments ligolw": Reader(
        "text", "seg.xml", _segments, lambda p: read_segments(p, ifo="H1") and None
    ),
    "labels": Reader(
        "text",
        "labels.csv",
        _text("event_id,label\na,Blip\nb,Whistle\n"),
        lambda p: read_label_table(p) and None,
    ),
    "labels parquet": Reader(
        "parquet", "labels.parquet", _labels_parquet, lambda p: read_label_table(p) and None
    ),
    "settings": Reader(
        "toml",
        "a.toml",
        _text('[a]\nb = [1, 2.5, "x"]\nc = 1979-05-27T07:32:00Z\n[[d]]\ne = {f = true}\n'),
        lambda p: read_toml(p) and None,
    ),
    "class card": Reader(
        "toml", "1080_lines.toml", _class_card, lambda p: read_class_card(p) and None
    ),
    "model card": Reader("folder", "model", _model, lambda p: read_model_card(p) and None),
    "prototypes": Reader(
        "safetensors",
        "prototypes.safetensors",
        _prototypes,
        lambda p: Prototypes.load(p) and None,
    ),
    "archive": Reader("folder", "archive", _archive, read_archive),
}
