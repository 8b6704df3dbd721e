"""Codes of images, and their round trips through every table format."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from glitchvae.checkpoint import DataCard, ModelCard, load_checkpoint, save_checkpoint
from glitchvae.embedding import (
    Embeddings,
    encode_spectrograms,
    read_embeddings,
    write_embeddings,
)
from glitchvae.errors import InputError, StorageError
from glitchvae.models import GlitchVAE, GlitchVAESettings
from glitchvae.prototypes import Prototypes
from glitchvae.spectrogram import SpectrogramSet

FORMATS = ["h5", "hdf5", "parquet", "csv", "ecsv"]


def make_spectrograms(rng, statuses, ifo="H1"):
    count = len(statuses)
    images = rng.gamma(1.0, 1.0, (count, 4, 140, 170)).clip(0, 25.5).astype(np.float16)
    images[[s in ("gap", "outside_data") for s in statuses]] = np.nan
    images[[s == "frequency_truncated" for s in statuses], :, 100:] = np.nan
    gps = 1126259462.0 + 0.25 * np.arange(count)
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    return SpectrogramSet(
        images=images,
        event_id=[f"{ifo}-{t:.4f}" for t in gps],
        gps=gps,
        ifo=[ifo] * count,
        **{name: rng.uniform(8, 20, count) for name in columns},
        f_max=np.where([s == "frequency_truncated" for s in statuses], 1291.0, 2048.0),
        block_duration=np.full(count, 64.0),
        status=statuses,
        imaging={"name": "gravity-spy"},
        sources={"a.hdf5": "00ff"},
    )


@pytest.fixture
def spectrograms(rng):
    return make_spectrograms(rng, ["ok", "gap", "frequency_truncated", "outside_data", "ok"])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained model with prototypes fitted to noise: small, but a real checkpoint."""
    torch.manual_seed(1)
    model = GlitchVAE(GlitchVAESettings(widths=(4, 8, 8, 8), hidden=16, latent_size=6))
    codes = np.random.default_rng(2).normal(size=(60, 6))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    card = ModelCard(
        architecture="glitch", model={}, latent_size=6, objective={"name": "none"}, steps=0,
        seed=1, data=DataCard(digest=""),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(folder, model, card, Prototypes.fit(codes, labels))
    return load_checkpoint(folder)


class TestEncode:
    def test_shapes_and_types(self, spectrograms, checkpoint):
        codes = encode_spectrograms(spectrograms, checkpoint)
        assert codes.mean.shape == codes.log_var.shape == (5, 6)
        assert codes.mean.dtype == codes.log_var.dtype == np.float32
        assert codes.model == {"name": "tiny", "digest": checkpoint.digest}
        assert codes.imaging == spectrograms.imaging
        np.testing.assert_array_equal(codes.gps, spectrograms.gps)

    def test_unusable_rows_have_no_code_and_no_class(self, spectrograms, checkpoint):
        codes = encode_spectrograms(spectrograms, checkpoint)
        unusable = [1, 3]
        assert np.isnan(codes.mean[unusable]).all()
        assert np.isnan(codes.log_var[unusable]).all()
        assert np.isnan(codes.novelty[unusable]).all()
        assert list(codes.class_name[unusable]) == ["", ""]
        assert np.isfinite(codes.mean[codes.usable]).all()
        assert set(codes.class_name[codes.usable]) <= {"Blip", "Whistle", "Tomte"}

    def test_a_code_does_not_depend_on_its_batch(self, spectrograms, checkpoint):
        together = encode_spectrograms(spectrograms, checkpoint)
        alone = encode_spectrograms(spectrograms, checkpoint, batch_size=1)
        np.testing.assert_allclose(together.mean, alone.mean, rtol=1e-4, atol=1e-5)

    def test_posterior_is_the_models(self, spectrograms, checkpoint):
        from glitchvae.models import prepare

        codes = encode_spectrograms(spectrograms, checkpoint)
        x, _ = prepare(torch.from_numpy(spectrograms.images[:1]))
        with torch.inference_mode():
            posterior = checkpoint.model.encode(x)
        np.testing.assert_allclose(codes.mean[0], posterior.mean[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            np.exp(codes.log_var[0]), posterior.variance[0], rtol=1e-4, atol=1e-6
        )

    def test_nothing_usable(self, rng, checkpoint):
        codes = encode_spectrograms(make_spectrograms(rng, ["gap"] * 2), checkpoint)
        assert codes.mean.shape == (2, 6)
        assert np.isnan(codes.mean).all()


def assert_same_rows(one, other):
    for field in Embeddings.columns():
        first, second = getattr(one, field.name), getattr(other, field.name)
        if first is None:
            assert second is None
        elif first.dtype == object:
            assert list(first) == list(second), field.name
        else:
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second, err_msg=field.name)


class TestTables:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_round_trip_is_exact(self, spectrograms, checkpoint, tmp_path, suffix):
        codes = encode_spectrograms(spectrograms, checkpoint, configuration={"snr": 7.5})
        write_embeddings(tmp_path / f"codes.{suffix}", codes)
        back = read_embeddings(tmp_path / f"codes.{suffix}")
        assert_same_rows(codes, back)
        assert back.model == codes.model
        if suffix != "csv":
            assert (back.imaging, back.configuration) == (codes.imaging, codes.configuration)
            assert back.sources == codes.sources

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_labels_survive(self, spectrograms, checkpoint, tmp_path, suffix):
        import dataclasses

        labelled = dataclasses.replace(spectrograms, label=["Blip", "", "None", "nan", "Koi, Fish"])
        codes = encode_spectrograms(labelled, checkpoint)
        write_embeddings(tmp_path / f"codes.{suffix}", codes)
        assert list(read_embeddings(tmp_path / f"codes.{suffix}").label) == list(labelled.label)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_no_rows(self, spectrograms, checkpoint, tmp_path, suffix):
        codes = encode_spectrograms(spectrograms.take(slice(0, 0)), checkpoint)
        write_embeddings(tmp_path / f"codes.{suffix}", codes)
        back = read_embeddings(tmp_path / f"codes.{suffix}")
        assert len(back) == 0
        assert back.mean.shape == (0, 6)

    def test_hdf5_is_at_the_root(self, spectrograms, checkpoint, tmp_path):
        import h5py

        write_embeddings(tmp_path / "codes.h5", encode_spectrograms(spectrograms, checkpoint))
        with h5py.File(tmp_path / "codes.h5") as file:
            assert file["mean"].shape == (5, 6)
            assert file["gps"].dtype == np.float64
            assert checkpoint.digest in file.attrs["model"]
            assert file.attrs["schema"] == "glitchvae.embeddings"

    def test_parquet_codes_are_fixed_size_lists(self, spectrograms, checkpoint, tmp_path):
        path = tmp_path / "codes.parquet"
        write_embeddings(path, encode_spectrograms(spectrograms, checkpoint))
        schema = pq.read_schema(path)
        assert schema.field("mean").type.list_size == 6
        assert str(schema.field("mean").type.value_type) == "float"
        assert schema.metadata[b"model_digest"].decode() == checkpoint.digest

    def test_pandas_reads_the_csv(self, spectrograms, checkpoint, tmp_path):
        pandas = pytest.importorskip("pandas")
        codes = encode_spectrograms(spectrograms, checkpoint)
        write_embeddings(tmp_path / "codes.csv", codes)
        table = pandas.read_csv(tmp_path / "codes.csv")
        np.testing.assert_array_equal(table["mean_3"].astype(np.float32), codes.mean[:, 3])


class TestBadTables:
    def test_unknown_suffix(self, spectrograms, checkpoint, tmp_path):
        codes = encode_spectrograms(spectrograms, checkpoint)
        with pytest.raises(InputError, match=r"codes\.txt.*\.parquet.*found \.txt"):
            write_embeddings(tmp_path / "codes.txt", codes)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_not_what_the_suffix_says(self, tmp_path, suffix):
        path = tmp_path / f"codes.{suffix}"
        path.write_bytes(b"\x00\x01garbage")
        with pytest.raises(InputError, match=str(path)):
            read_embeddings(path)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_missing_file(self, tmp_path, suffix):
        with pytest.raises(InputError, match="absent"):
            read_embeddings(tmp_path / f"absent.{suffix}")

    def test_missing_column_is_named(self, tmp_path):
        (tmp_path / "codes.csv").write_text("event_id,mean_0\na,1.0\n")
        with pytest.raises(InputError, match="no column 'gps'"):
            read_embeddings(tmp_path / "codes.csv")

    def test_newer_version(self, spectrograms, checkpoint, tmp_path):
        path = tmp_path / "codes.parquet"
        write_embeddings(path, encode_spectrograms(spectrograms, checkpoint))
        table = pq.read_table(path)
        newer = {**table.schema.metadata, b"schema_version": b"99"}
        pq.write_table(table.replace_schema_metadata(newer), path)
        with pytest.raises(InputError, match="newer glitchvae"):
            read_embeddings(path)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_full_disk_keeps_the_earlier_file(
        self, spectrograms, checkpoint, tmp_path, suffix, monkeypatch
    ):
        path = tmp_path / f"codes.{suffix}"
        codes = encode_spectrograms(spectrograms, checkpoint)
        write_embeddings(path, codes)
        before = path.read_bytes()

        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("glitchvae.store._flush", full)
        with pytest.raises(StorageError, match="No space left"):
            write_embeddings(path, codes.take([0]))
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
