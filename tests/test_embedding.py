"""Codes of images, and their round trips through every table format."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from igwn_segments import segment, segmentlist

from glitchvae.checkpoint import load_checkpoint
from glitchvae.embedding import (
    UNCERTAINTIES,
    Embeddings,
    Job,
    assign_triggers,
    embed_strain,
    encode_spectrograms,
    open_inputs,
    plan_embedding,
    read_embeddings,
    read_triggers_for,
    trigger_batches,
    triggers_at,
    usable_band,
    write_embeddings,
)
from glitchvae.embedding.plan import time_after, trial_places
from glitchvae.errors import InputError, StorageError
from glitchvae.simulate import simulate_strain
from glitchvae.spectrogram import IMAGING, SpectrogramSet
from glitchvae.strain import Strain, StrainSource, Stretch, open_strain, write_gwosc
from glitchvae.triggers import Triggers, at_times

FORMATS = ["h5", "hdf5", "parquet", "csv", "ecsv"]


LOW_RATE = "ok, of a low sample rate"


def make_spectrograms(rng, statuses, ifo="H1"):
    count = len(statuses)
    images = rng.gamma(1.0, 1.0, (count, 4, 140, 170)).clip(0, 25.5).astype(np.float16)
    images[[s in ("gap", "outside_data") for s in statuses]] = np.nan
    low_rate = np.array([s == LOW_RATE for s in statuses])
    images[low_rate, :, 100:] = np.nan
    gps = 1126259462.0 + 0.25 * np.arange(count)
    columns = ("snr", "peak_frequency", "q", "duration", "bandwidth")
    return SpectrogramSet(
        images=images,
        event_id=[f"{ifo}-{t:.4f}" for t in gps],
        gps=gps,
        ifo=[ifo] * count,
        **{name: rng.uniform(8, 20, count) for name in columns},
        f_max=np.where(low_rate, 1291.0, 2048.0),
        block_duration=np.full(count, 64.0),
        status=np.where(low_rate, "ok", statuses),
        flags=["short_block" if s == "gap" else "" for s in statuses],
        imaging={"name": "gravity-spy"},
        sources={"a.hdf5": "00ff"},
    )


@pytest.fixture
def spectrograms(rng):
    return make_spectrograms(rng, ["ok", "gap", LOW_RATE, "outside_data", "ok"])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, save_untrained):
    """An untrained model with prototypes fitted to noise: small, but a real checkpoint."""
    codes = np.random.default_rng(2).normal(size=(60, 6))
    labels = np.array(["Blip", "Whistle", "Tomte"] * 20, dtype=object)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return load_checkpoint(save_untrained(folder, codes, labels, latent_size=6, seed=1))


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
        assert np.isnan(codes.novelty_p[unusable]).all()
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

    def test_uncertainty_is_given_where_it_is_asked_for(self, spectrograms, checkpoint):
        plain = encode_spectrograms(spectrograms, checkpoint)
        asked = encode_spectrograms(spectrograms, checkpoint, uncertainty=True)
        np.testing.assert_array_equal(plain.mean, asked.mean)
        usable = asked.usable
        spread = np.exp(0.5 * asked.log_var[usable].mean(axis=1))
        np.testing.assert_allclose(asked.latent_spread[usable], spread, rtol=1e-5)
        np.testing.assert_array_equal(plain.latent_spread, asked.latent_spread)
        for name in ("view_agreement", "code_stability"):
            assert np.isnan(getattr(plain, name)).all()
            assert np.isfinite(getattr(asked, name)[usable]).all()
            assert np.isnan(getattr(asked, name)[~usable]).all()

    def test_files_of_earlier_versions_have_no_uncertainty(
        self, spectrograms, checkpoint, tmp_path
    ):
        import h5py

        codes = encode_spectrograms(spectrograms, checkpoint, uncertainty=True)
        write_embeddings(tmp_path / "old.h5", codes)
        with h5py.File(tmp_path / "old.h5", "a") as file:
            for name in UNCERTAINTIES:
                del file[name]
        old = read_embeddings(tmp_path / "old.h5")
        assert all(np.isnan(getattr(old, name)).all() for name in UNCERTAINTIES)
        np.testing.assert_array_equal(old.mean, codes.mean)

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

    def test_codes_of_two_sizes_name_the_file(self, spectrograms, checkpoint, tmp_path):
        path = tmp_path / "codes.csv"
        write_embeddings(path, encode_spectrograms(spectrograms, checkpoint))
        path.write_text(path.read_text().replace('"log_var_5"', '"log_var_x"'))
        with pytest.raises(InputError, match=r"codes\.csv: codes have the wrong shape"):
            read_embeddings(path)

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


LIGHT = IMAGING["light"]


def light(checkpoint):
    return Job(checkpoint=checkpoint, imaging=LIGHT, uncertainty=False)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Three quarters of a minute of H1-like strain with bursts at known times."""
    strain, truth = simulate_strain(48.0, "H1", 3, glitches=4)
    path = tmp_path_factory.mktemp("strain") / "H-H1_SIMULATED-0-48.hdf5"
    write_gwosc(path, strain)
    return path, truth


@pytest.fixture
def source(simulated):
    return open_strain(simulated[0])


def source_of(strain):
    """A source in memory."""
    return StrainSource.join(
        [
            Stretch(
                path=Path("made-up"),
                start=strain.start,
                samples=len(strain),
                ifo=strain.ifo,
                sample_rate=strain.sample_rate,
                channel=None,
                load=lambda first, last: strain.values[first:last],
            )
        ]
    )


def rows_of(batches):
    return Embeddings.join([codes for codes, _ in batches])


class TestEmbedStrain:
    def test_given_times(self, source, checkpoint):
        start = source.segments[0][0]
        triggers = at_times([start + 30, start + 20, start + 10.5], "H1")
        ((codes, images),) = embed_strain(source, triggers, light(checkpoint))
        np.testing.assert_array_equal(codes.gps - start, [10.5, 20, 30])
        assert len(images) == 3
        assert set(codes.status) == {"ok"}
        assert np.isfinite(codes.mean).all()
        assert codes.f_max == pytest.approx(1291, abs=1)
        assert list(codes.sources) == [source.files[0].name]

    def test_found_glitches_have_rows(self, source, checkpoint, simulated):
        rows = rows_of(embed_strain(source, None, light(checkpoint)))
        loud = simulated[1].take(np.asarray(simulated[1].snr) > 15)
        assert len(loud) > 0
        for gps in loud.gps:
            assert np.abs(rows.gps - gps).min() < 0.5
        assert (rows.snr >= 7.5).all()

    def test_resuming_repeats_the_same_batches(self, source, checkpoint):
        times = source.segments[0][0] + np.arange(8.0, 40.0, 4.0)
        triggers = at_times(times, "H1")
        whole = list(embed_strain(source, triggers, light(checkpoint), batch_size=3))
        done = set(whole[0][0].event_id)
        asked = []

        def choose(batch):
            asked.extend(batch.event_id)
            return batch.take(np.array([event not in done for event in batch.event_id]))

        job = light(checkpoint)
        rest = list(embed_strain(source, triggers, job, batch_size=3, choose=choose))
        assert asked == triggers.event_id.tolist()
        assert len(rest) == len(whole) - 1
        for (codes, images), (again, anew) in zip(whole[1:], rest, strict=True):
            assert_same_rows(codes, again)
            np.testing.assert_array_equal(images.images, anew.images)

    def test_a_time_outside_the_data_has_its_row(self, source, checkpoint):
        triggers = at_times([source.segments[0][0] + 20, 5.0], "H1")
        rows = rows_of(embed_strain(source, triggers, light(checkpoint)))
        assert list(rows.status) == ["outside_data", "ok"]
        assert np.isnan(rows.mean[0]).all()

    def test_nan_and_zeros_have_their_rows(self, checkpoint, tmp_path, rng):
        values = rng.normal(size=48 * 4096) * 1e-21
        values[10 * 4096 : 10 * 4096 + 50] = np.nan
        values[24 * 4096 :] = 0.0
        path = tmp_path / "L-L1_TEST-1000-48.hdf5"
        write_gwosc(path, Strain(values=values, start=1000.0, sample_rate=4096.0, ifo="L1"))
        triggers = at_times([1010.0, 1018.0, 1040.0], "L1")
        rows = rows_of(embed_strain(open_strain(path), triggers, light(checkpoint)))
        assert list(rows.status) == ["nan_in_block", "ok", "zero_psd"]
        np.testing.assert_array_equal(np.isfinite(rows.mean).all(axis=1), [False, True, False])

    def test_strain_shorter_than_a_block(self, checkpoint, tmp_path, rng):
        path = tmp_path / "L-L1_TEST-1000-5.hdf5"
        values = rng.normal(size=5 * 4096) * 1e-21
        write_gwosc(path, Strain(values=values, start=1000.0, sample_rate=4096.0, ifo="L1"))
        rows = rows_of(embed_strain(open_strain(path), at_times([1002.5], "L1"), light(checkpoint)))
        assert np.isnan(rows.mean).all()
        assert not rows.usable.any()

    def test_another_detector(self, source, checkpoint):
        triggers = at_times([source.segments[0][0] + 20], "V1")
        with pytest.raises(InputError, match=r"H1.*V1"):
            list(embed_strain(source, triggers, light(checkpoint)))

    def test_two_detectors_mixed_are_counted(self, source, checkpoint, caplog):
        time = source.segments[0][0] + 20
        triggers = Triggers.join([at_times([time], "H1"), at_times([time, time + 5], "V1")])
        assert len(rows_of(embed_strain(source, triggers, light(checkpoint)))) == 1
        assert "2 of V1" in caplog.text

    def test_progress_counts_every_trigger(self, source):
        counts = []
        triggers = at_times(source.segments[0][0] + np.arange(5.0), "H1")
        list(trigger_batches(source, triggers, batch_size=2, progress=counts.append))
        assert counts == [2, 2, 1]

    def test_progress_counts_seconds_that_the_strain_has(self, source):
        """Cells lie on a grid of GPS times and reach beyond the ends of a file."""
        start = source.segments[0][0]
        part = source.crop(start + 5, start + 29)
        counts = []
        list(trigger_batches(part, None, progress=counts.append))
        assert sum(counts) == 24


class TestPlan:
    def test_found(self, source, checkpoint):
        """All of a short stretch is searched in the trial, so that the number is exact."""
        plan = plan_embedding(source, None, checkpoint, LIGHT)
        found = sum(map(len, trigger_batches(source, None)))
        assert plan.seconds == 48
        assert plan.triggers is None
        assert plan.expected == found >= 3
        assert plan.estimated_seconds > 0
        assert f"48 s of strain, glitches to be found (about {found})" in str(plan)
        assert "trial" in str(plan)
        assert (plan + plan).expected == 2 * found

    def test_strain_without_a_glitch(self, checkpoint, rng):
        values = 1e-21 * rng.standard_normal(32 * 1024)
        quiet = source_of(Strain(values=values, start=0.0, sample_rate=1024.0, ifo="L1"))
        plan = plan_embedding(quiet, None, checkpoint, LIGHT)
        assert plan.expected == 0
        assert plan.estimated_seconds > 0

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(0, 1e5), st.floats(20, 1e4)), min_size=1, max_size=4),
        st.integers(0, 2**31),
    )
    def test_the_trial_is_spread_over_the_data(self, stretches, offset):
        segments = segmentlist(
            segment(offset + start, offset + start + length) for start, length in stretches
        ).coalesce()
        places = trial_places(segments)
        assert abs(places) <= 6 * 60 + 1e-6
        assert abs(segments & places) > 0
        if abs(segments) <= 6 * 60:
            assert places == segments
        else:
            thirds = [time_after(segments, abs(segments) * n / 3) for n in range(4)]
            for first, last in itertools.pairwise(thirds):
                assert abs(places & segmentlist([segment(first - 120, last + 120)])) >= 60

    def test_given(self, source, checkpoint):
        plan = plan_embedding(
            source, at_times([source.segments[0][0] + 20], "H1"), checkpoint, LIGHT
        )
        assert plan.triggers == 1
        assert (plan + plan).triggers == 2
        assert (plan + plan).memory == plan.memory

    def test_memory_is_what_the_process_holds(self, source, checkpoint):
        psutil = pytest.importorskip("psutil")
        held = psutil.Process().memory_info().rss
        plan = plan_embedding(
            source, at_times([source.segments[0][0] + 20], "H1"), checkpoint, LIGHT
        )
        assert plan.memory >= 0.8 * held


class TestInputs:
    def test_told_apart_by_content(self, simulated, spectrograms, tmp_path):
        spectrograms.write(tmp_path / "images.hdf5")
        (tmp_path / "notes.txt").write_text("not strain")
        inputs = open_inputs(
            [simulated[0], tmp_path / "images.hdf5", tmp_path / "notes.txt", tmp_path / "absent"]
        )
        assert [source.ifo for source in inputs.sources] == ["H1"]
        assert inputs.image_sets == (tmp_path / "images.hdf5",)
        assert ["notes.txt" in str(p) or "absent" in str(p) for p in inputs.problems] == [True] * 2

    def test_detectors_and_rates_are_sources_of_their_own(self, tmp_path, rng):
        for number, (ifo, rate) in enumerate(
            [("H1", 1024), ("L1", 1024), ("H1", 2048), ("H1", 1024)]
        ):
            values, start = rng.normal(size=8 * rate), 1000.0 + 8 * number
            strain = Strain(values=values, start=start, sample_rate=float(rate), ifo=ifo)
            write_gwosc(tmp_path / f"{number}.hdf5", strain)
        inputs = open_inputs(sorted(tmp_path.glob("*.hdf5")))
        assert [(s.ifo, s.sample_rate, len(s.files)) for s in inputs.sources] == [
            ("H1", 1024, 2),
            ("L1", 1024, 1),
            ("H1", 2048, 1),
        ]

    @pytest.mark.parametrize(("rate", "ifo", "warned"), [(2048, "H1", True), (2048, "L1", False)])
    def test_time_at_two_sample_rates_is_warned_of(self, rate, ifo, warned, tmp_path, rng, caplog):
        for name, own, start in ((f"{ifo}.hdf5", rate, 1004.0), ("first.hdf5", 1024, 1000.0)):
            values = rng.normal(size=8 * own)
            strain = Strain(
                values=values,
                start=start,
                sample_rate=float(own),
                ifo="H1" if name == "first.hdf5" else ifo,
            )
            write_gwosc(tmp_path / name, strain)
        open_inputs([tmp_path])
        assert ("H1: 4 s at both 2048 and 1024 Hz" in caplog.text) == warned

    def test_a_folder_is_the_strain_in_it(self, tmp_path, rng):
        inner, empty = tmp_path / "strain" / "inner", tmp_path / "empty"
        inner.mkdir(parents=True)
        empty.mkdir()
        for number, folder in enumerate((inner.parent, inner)):
            values, start = rng.normal(size=8 * 1024), 1000.0 + 8 * number
            strain = Strain(values=values, start=start, sample_rate=1024.0, ifo="H1")
            write_gwosc(folder / f"{number}.hdf5", strain)
        (inner / "notes.txt").write_text("not strain")
        inputs = open_inputs([tmp_path / "strain", empty])
        (source,) = inputs.sources
        assert source.files == (inner.parent / "0.hdf5", inner / "1.hdf5")
        (problem,) = inputs.problems
        assert str(empty) in str(problem)

    def test_a_list_of_times_is_of_the_only_detector(self, source, tmp_path):
        path = tmp_path / "times.txt"
        path.write_text(f"{source.segments[0][0] + 20}\n")
        assert list(read_triggers_for(path, [source]).ifo) == ["H1"]

    def test_triggers_go_to_the_source_that_covers_them(self, source):
        start = source.segments[0][0]
        halves = [source.crop(start, start + 24), source.crop(start + 24, start + 48)]
        triggers = at_times([start + 30, start + 5, 7.0], "H1")
        assigned = {
            s.segments[0][0] - start: list(t.gps) for s, t in assign_triggers(triggers, halves)
        }
        assert assigned == {0.0: [start + 5, 7.0], 24.0: [start + 30]}

    def test_times_go_to_the_detectors_that_have_strain_then(self, source, caplog):
        start = source.segments[0][0]
        other = dataclasses.replace(
            source.stretches[0], ifo="L1", start=start + 40, samples=40 * 4096
        )
        sources = [source, StrainSource.join([other])]
        triggers, problems = triggers_at([start + 5, start + 45, start + 70, start + 200], sources)
        assert list(zip(triggers.ifo, triggers.gps - start, strict=True)) == [
            ("H1", 5.0),
            ("H1", 45.0),
            ("L1", 45.0),
            ("L1", 70.0),
        ]
        (problem,) = problems
        assert f"GPS {start + 200}: no strain at this time" in str(problem)
        assert f"the nearest strain, of L1, GPS {start + 40} to {start + 80}" in str(problem)
        assert f"GPS {start + 5}: no strain of L1" in caplog.text

    @pytest.mark.parametrize("bad", [0.0, -5.0, np.nan, np.inf])
    def test_numbers_that_are_no_times(self, source, bad):
        with pytest.raises(InputError, match="GPS"):
            at_times([bad], "H1")
        triggers, problems = triggers_at([bad], [source])
        assert len(triggers) == 0
        assert len(problems) == 1

    def test_no_trigger_is_of_the_strain(self, source):
        with pytest.raises(InputError, match=r"expected H1; found K1"):
            assign_triggers(at_times([5.0], "K1"), [source])


@pytest.mark.parametrize(("rate", "top"), [(1024, 323), (4096, 1291)])
def test_usable_band_follows_the_rate(tmp_path, rng, rate, top):
    strain = Strain(
        values=rng.normal(size=8 * rate), start=1000.0, sample_rate=float(rate), ifo="H1"
    )
    write_gwosc(tmp_path / "strain.hdf5", strain)
    assert usable_band(open_strain(tmp_path / "strain.hdf5"), LIGHT)[1] == pytest.approx(top, abs=1)


@pytest.mark.data
def test_labelled_scattered_light(real_data, checkpoint):
    """Both labelled glitches that are away from the edge get a code, with their image in place."""
    path = real_data / "strain/labelled/L-L1_GW190513_205428_1024HZ-1241816066-24.hdf5"
    rows, images = zip(*embed_strain(open_strain(path), None, light(checkpoint)), strict=True)
    rows, images = Embeddings.join(rows), SpectrogramSet.join(images)
    for gps in (1241816072.438, 1241816076.313):
        near = int(np.abs(rows.gps - gps).argmin())
        assert abs(rows.gps[near] - gps) < 0.1
        assert np.isfinite(rows.mean[near]).all()
        # scattered light stands below 64 Hz, the lower third of the logarithmic axis
        energy = np.nan_to_num(images.images[near].astype(float))
        assert energy[:, :48].sum() > 0.5 * energy.sum()
