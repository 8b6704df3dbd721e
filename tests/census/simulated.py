"""Simulated strain for censuses, and what makes two archives equal."""

import numpy as np
from igwn_segments import segment, segmentlist

from glitchvae.archive import Archive
from glitchvae.strain import Strain, write_gwosc

RATE = 1024.0
START = 1187008842.0  # 18 s before a cell begins


def noise(ifo, seed, duration=270.0):
    """White noise with a burst of 100 Hz every 13 s, one of them astride the edge of a shard."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(round(duration * RATE))
    for centre in (*np.arange(7.0, duration - 4, 13.0), 78.0):
        first = round((centre - 0.2) * RATE)
        near = slice(first, first + round(0.4 * RATE))
        apart = np.arange(near.start, near.stop) / RATE - centre
        wave = np.exp(-((apart / 0.02) ** 2)) * np.sin(2 * np.pi * 100 * apart)
        values[near] += 30 * wave / np.sqrt(np.sum(wave**2))
    return Strain(values=1e-22 * values, start=START, sample_rate=RATE, ifo=ifo)


def write(strain, folder, *edges):
    """Files of a strain between two seconds after its start each."""
    paths = []
    for first, last in edges:
        paths.append(folder / f"{strain.ifo[0]}-{strain.ifo}_TEST-{first}-{last - first}.hdf5")
        part = strain.crop(strain.start + first, strain.start + last)
        write_gwosc(paths[-1], part, dq={"DATA": segmentlist([segment(part.start, part.end)])})
    return paths


def content(path):
    """Everything that an archive tells: rows, pictures, live time."""
    archive = Archive(path)
    rows = archive.embeddings()
    rows = rows.take(np.argsort(rows.event_id.astype(str), kind="stable"))
    columns = {f.name: getattr(rows, f.name) for f in rows.columns()}
    live = {ifo: [tuple(map(float, s)) for s in own] for ifo, own in archive.live_time().items()}
    covered = archive.ledger().covered()
    told = {ifo: [tuple(map(float, s)) for s in own] for ifo, own in covered.items()}
    return columns, archive.thumbnails(rows).images, live, told


def assert_equal(path, other):
    """That two archives tell the same, row for row and value for value."""
    one, two = content(path), content(other)
    assert one[0].keys() == two[0].keys()
    for name, values in one[0].items():
        np.testing.assert_array_equal(values, two[0][name], err_msg=name)
    np.testing.assert_array_equal(one[1], two[1])
    assert one[2:] == two[2:]
