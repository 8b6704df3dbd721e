"""`discover` from end to end: what is new comes back, what is known does not, bad input."""

import dataclasses

import numpy as np
import pytest
from igwn_segments import segment, segmentlist
from scipy.stats import kstest

from glitchvae.classes.prototypes import Prototypes
from glitchvae.discovery import DiscoverySettings, discover, searching
from glitchvae.discovery.comparing import Known
from glitchvae.discovery.excess import fit_excess
from glitchvae.errors import InputError
from tests.discovery.conftest import MIDDLES, START, draw, embeddings_of

QUICK = DiscoverySettings(bootstraps=3)
LIVE = {name: segmentlist([segment(START, START + 36000.0)]) for name in ("H1", "L1")}


@pytest.fixture(scope="module")
def found(with_new, prototypes):
    return discover(with_new, prototypes, QUICK, live=LIVE)


def test_a_new_class_comes_back_pure_and_complete(found, with_new):
    (candidate,) = found.candidates
    new = with_new.label == "New"
    assert new[candidate.members].mean() > 0.95
    assert len(candidate.members) > 0.9 * new.sum()
    assert candidate.p_value < 1e-4
    assert candidate.stability > 0.8
    assert (candidate.advice, candidate.verdict) == ("new class", "new class")
    assert candidate.medoid == candidate.members[0]
    assert set(candidate.edges) <= set(candidate.members)
    assert candidate.name == "candidate-1"
    assert [name for name, _ in candidate.nearest][2] in ("Blip", "Tomte", "Whistle")
    assert sorted(d for _, d in candidate.nearest) == [d for _, d in candidate.nearest]


@pytest.fixture
def losing(monkeypatch):
    """The fit to all of so many events loses every component."""

    def lose(count):
        def fit(archive, background, start, *, min_events):
            start = start[:, :0] if len(archive.points) == count else start
            return fit_excess(archive, background, start, min_events=min_events)

        monkeypatch.setattr(searching, "fit_excess", fit)

    return lose


def test_a_sure_component_that_the_last_fit_loses_keeps_its_events(
    found, with_new, prototypes, losing
):
    """Its p-value is of the count in the other half, and no matter of this fit."""
    losing(len(with_new))
    (candidate,) = discover(with_new, prototypes, QUICK, live=LIVE).candidates
    (usual,) = found.candidates
    assert candidate.p_value == usual.p_value
    alike = np.intersect1d(candidate.members, usual.members)
    assert len(alike) > 0.9 * max(len(candidate.members), len(usual.members))


def test_one_that_lies_within_a_known_class_is_left_to_that_class(prototypes, losing):
    crowded = crowd_within_tomte()
    losing(len(crowded))
    assert discover(crowded, prototypes, QUICK).candidates == ()


def test_the_result_fits_together(found, with_new):
    assert found.cluster.shape == (len(with_new),)
    np.testing.assert_array_equal(
        np.flatnonzero(found.cluster == 0), np.sort(found.candidates[0].members)
    )
    rows = np.concatenate([k.members for k in found.known] + [c.members for c in found.candidates])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(with_new)))
    assert found.model_digest == "d" * 64
    novelty = found.embeddings.novelty_p[with_new.label == "New"]
    assert np.median(novelty) < 0.01 < np.median(found.embeddings.novelty_p)


def test_an_event_counts_for_its_label(with_new, prototypes, found):
    tomte = next(group for group in found.known if group.name == "Tomte")
    row = tomte.members[0]
    labels = np.full(len(with_new), "", object)
    labels[row] = "Whistle"
    again = discover(
        dataclasses.replace(with_new, label=labels, class_name=with_new.label),
        prototypes,
        QUICK,
        live=LIVE,
    )
    groups = {group.name: group.members for group in again.known}
    assert row in groups["Whistle"]
    assert row not in groups["Tomte"]
    assert len(groups["Tomte"]) > 10
    assert "1 labelled events count for their label" in again.remarks[-1]


def test_an_event_of_no_group_counts_for_the_class_that_tables_give_it(with_new, prototypes):
    unlabelled = dataclasses.replace(with_new, label=np.full(len(with_new), "", object))
    nameless = dataclasses.replace(unlabelled, class_name=unlabelled.label)
    explained = discover(nameless, prototypes, QUICK, live=LIVE)
    tomte = next(group.members for group in explained.known if group.name == "Tomte")
    assert (with_new.label[tomte] == "Tomte").mean() > 0.9  # without a name, by what explains it
    names = nameless.class_name.copy()
    names[tomte[:5]] = "Whistle"
    named = dataclasses.replace(unlabelled, class_name=names)
    groups = {g.name: g.members for g in discover(named, prototypes, QUICK, live=LIVE).known}
    assert np.isin(tomte[:5], groups["Whistle"]).all()
    np.testing.assert_array_equal(np.sort(groups["Tomte"]), np.sort(tomte[5:]))


def test_rates_are_those_of_the_live_time(found):
    candidate = found.candidates[0]
    assert [rate.ifo for rate in candidate.rates] == ["H1", "L1"]
    assert sum(rate.count for rate in candidate.rates) == len(candidate.members)
    assert sum(rate.episodes for rate in candidate.rates) == candidate.episodes
    for rate in candidate.rates:
        assert rate.live_hours == pytest.approx(10.0)
        assert rate.low < rate.per_hour == rate.episodes / 10.0 < rate.high
    assert candidate.daily_profile.sum() == candidate.episodes
    assert candidate.drift > 1e-3
    assert candidate.expected_per_month >= candidate.p_value * 72 * (1 - 1e-9)


def test_known_events_alone_make_no_candidate(without_new, prototypes):
    found = discover(without_new, prototypes, QUICK)
    assert found.candidates == ()
    assert (found.cluster == -1).all()
    assert {known.name for known in found.known} == {"Blip", "Tomte", "Whistle"}
    assert np.isnan(found.known[0].rates[0].per_hour)


def test_p_values_are_said_to_be_relative_to_simulated_glitches(found, without_new, prototypes):
    said = "p-values are relative to simulated glitches"
    assert said in found.remarks[0]
    assert said in discover(without_new, prototypes, QUICK).remarks[0]


def test_live_time_that_nobody_told_is_unknown(with_new, prototypes):
    found = discover(with_new, prototypes, QUICK)
    assert found.remarks[1].startswith("live time unknown (")
    (candidate,) = found.candidates
    assert np.isnan([candidate.expected_per_month, candidate.drift]).all()
    assert all(np.isnan([r.per_hour, r.low, r.high]).all() for r in candidate.rates)


def test_live_time_of_one_detector_is_not_that_of_the_others(with_new, prototypes):
    live = {"H1": LIVE["H1"], "L1": segmentlist()}
    found = discover(with_new, prototypes, QUICK, live=live)
    assert found.remarks[1].startswith("live time unknown for L1 (")
    (candidate,) = found.candidates
    assert np.isnan(candidate.expected_per_month)
    assert [np.isfinite(r.per_hour) for r in candidate.rates] == [True, False]


@pytest.mark.parametrize(
    ("name", "remark"), [("Tomte", "perhaps known: "), ("None_of_the_Above", "")]
)
def test_a_name_is_a_remark_and_no_reason(with_new, prototypes, name, remark):
    count = len(with_new)
    named = dataclasses.replace(
        with_new, class_name=np.full(count, name, object), class_probability=np.full(count, 0.95)
    )
    (candidate,) = discover(named, prototypes, QUICK).candidates
    assert (candidate.advice, candidate.verdict) == ("new class", "new class")
    assert candidate.remark.startswith(remark)
    assert bool(candidate.remark) == bool(remark)


def test_the_novelty_of_single_events_has_no_say_in_the_advice(found, with_new, prototypes):
    usual = dataclasses.replace(with_new, novelty_p=np.ones(len(with_new)))
    again = discover(usual, prototypes, QUICK)
    assert [c.advice for c in again.candidates] == [c.advice for c in found.candidates]


def crowd_within_tomte():
    rng = np.random.default_rng(12)
    codes, labels = draw(rng, {"Blip": 200, "Tomte": 150, "Whistle": 50})
    crowd = MIDDLES["Tomte"] + rng.normal((1.0, 1.0, 0.0, 0.0), 0.1, (150, 4))
    labels = np.concatenate([labels, np.full(150, "")])
    return embeddings_of(np.concatenate([codes, crowd]), labels, rng)


def test_a_crowd_within_a_class_is_a_sub_class_of_it(prototypes):
    found = discover(crowd_within_tomte(), prototypes, QUICK)
    assert [c.advice for c in found.candidates] == ["sub-class of Tomte"]


def test_events_of_a_class_are_as_typical_as_its_known_ones(prototypes):
    rng = np.random.default_rng(13)
    known = Known.of(prototypes)
    for k, name in enumerate(known.names):
        own = known.sample(draw(rng, {name: 500})[0]).log_known
        assert kstest(known.background.typicality(own)[:, k], "uniform").statistic < 0.12
        others = np.delete(known.background.typicality(own), k, axis=1)
        assert others.max() < 0.1
    far = known.sample(draw(rng, {"New": 50})[0]).log_known
    assert known.background.typicality(far).max() == 0.0


def test_the_same_seed_gives_the_same_result(found, with_new, prototypes):
    again = discover(with_new, prototypes, QUICK, live=LIVE)
    np.testing.assert_array_equal(again.cluster, found.cluster)
    assert again.candidates[0].p_value == found.candidates[0].p_value
    assert again.candidates[0].stability == found.candidates[0].stability


def test_a_class_that_was_accepted_is_not_found_again(found, with_new, prototypes):
    known = prototypes.with_class("New", with_new.mean[found.candidates[0].members])
    assert discover(with_new, known, QUICK).candidates == ()


def test_two_new_classes_are_two_candidates(prototypes, rng):
    codes, labels = draw(rng, {"Blip": 400, "Tomte": 150, "New": 60, "Other": 50})
    found = discover(embeddings_of(codes, labels, rng), prototypes, QUICK)
    kinds = [set(labels[c.members][:20]) for c in found.candidates]
    assert sorted(map(str, kinds)) == ["{'New'}", "{'Other'}"]
    assert found.candidates[0].p_value <= found.candidates[1].p_value


def test_events_without_a_code_are_counted_and_left_out(with_new, prototypes):
    mean = with_new.mean.copy()
    mean[:3] = np.nan
    mean[5, 1] = np.nan
    status = with_new.status.copy()
    status[:3] = "gap"
    found = discover(dataclasses.replace(with_new, mean=mean, status=status), prototypes, QUICK)
    assert found.excluded == {"gap": 3, "nan_in_code": 1}
    assert (found.cluster[[0, 1, 2, 5]] == -1).all()
    assert len(found.candidates) == 1


def test_events_below_the_least_snr_are_counted_and_left_out(with_new, prototypes):
    snr = with_new.snr.copy()
    snr[with_new.label == "New"] = 7.0
    snr[0] = np.nan  # unknown is not faint
    faint = dataclasses.replace(with_new, snr=snr)
    found = discover(faint, prototypes, QUICK, live=LIVE)
    assert found.candidates == ()
    assert found.excluded == {"below SNR 7.5": 60}
    assert len(found.embeddings) == len(with_new) - 60
    lower = QUICK.model_copy(update={"min_snr": 6.5})
    assert len(discover(faint, prototypes, lower, live=LIVE).candidates) == 1


def test_one_class_alone_is_no_obstacle(rng, prototypes):
    archive = embeddings_of(*draw(rng, {"Blip": 200}), rng)
    assert discover(archive, prototypes, QUICK).candidates == ()
    single = Prototypes.fit(*draw(rng, {"Blip": 200}))
    assert discover(archive, single, QUICK).candidates == ()


@pytest.mark.parametrize("count", [0, 1, 19])
def test_few_events_are_grouped_by_class_alone(with_new, prototypes, count):
    found = discover(with_new.take(slice(0, count)), prototypes, QUICK)
    assert found.candidates == ()
    assert found.unsearched.startswith("groups were not looked for: ")
    assert found.remarks[0] == found.unsearched
    assert sum(len(known.members) for known in found.known) == count
    assert discover(with_new.take(slice(0, 20)), prototypes, QUICK).unsearched == ""


def test_equal_codes_are_refused(with_new, prototypes):
    same = dataclasses.replace(with_new, mean=np.ones_like(with_new.mean))
    with pytest.raises(InputError, match="all codes are the same"):
        discover(same, prototypes, QUICK)


def test_all_events_within_a_minute_make_no_candidate_and_that_is_said(with_new, prototypes, rng):
    start = float(with_new.gps.min())
    brief = dataclasses.replace(with_new, gps=start + rng.uniform(0, 59, len(with_new)))
    found = discover(brief, prototypes, QUICK)
    assert found.candidates == ()
    assert f"of which there are {len(set(brief.ifo))} (a group takes about 10)" in " ".join(
        found.remarks
    )


def test_events_without_times_count_each_by_itself(with_new, prototypes):
    timeless = dataclasses.replace(with_new, gps=np.full(len(with_new), np.nan))
    found = discover(timeless, prototypes, QUICK)
    assert "no times are known, and each event counts by itself" in found.remarks
    (candidate,) = found.candidates
    assert (with_new.label[candidate.members] == "New").mean() > 0.9
    assert candidate.episodes == len(candidate.members)


def test_codes_of_another_size_are_refused(with_new, prototypes):
    other = dataclasses.replace(
        with_new, mean=with_new.mean[:, :3], log_var=with_new.log_var[:, :3]
    )
    with pytest.raises(InputError, match="expected 4 dimensions; found 3 dimensions"):
        discover(other, prototypes, QUICK)


def test_labels_that_neighbours_doubt_are_audited(with_new, prototypes):
    labels = with_new.label.copy()
    wrong = np.flatnonzero(labels == "Tomte")[:4]
    labels[wrong] = "Whistle"
    found = discover(dataclasses.replace(with_new, label=labels), prototypes, QUICK)
    doubted = {row.row: row for row in found.audit}
    assert set(wrong) <= set(doubted)
    assert doubted[wrong[0]].suggested == "Tomte"
    assert all(row.agreement >= 0.8 for row in found.audit)
    assert len(found.audit) < 20


def test_a_mixture_alone_finds_it_too(with_new, prototypes):
    settings = DiscoverySettings(method="gmm", bootstraps=0)
    (candidate,) = discover(with_new, prototypes, settings).candidates
    assert (with_new.label[candidate.members] == "New").mean() > 0.9
    assert np.isnan(candidate.stability)


def test_a_result_shows_itself_in_one_line(found, with_new):
    assert repr(found) == (
        f"Discovery: {len(with_new)} events, 3 known classes, "
        f"candidate-1 ({len(found.candidates[0].members)} events)"
    )
