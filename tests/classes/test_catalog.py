"""The catalogue: every shipped card is valid, every public label resolves, breaches are located."""

import csv
import gzip
import shutil
import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from glitchvae.classes.catalog import fold, read_catalog
from glitchvae.errors import CatalogError
from glitchvae.resources import shipped

TRAINING = [
    "1080Lines",
    "1400Ripples",
    "Air_Compressor",
    "Blip",
    "Chirp",
    "Extremely_Loud",
    "Helix",
    "Koi_Fish",
    "Light_Modulation",
    "Low_Frequency_Burst",
    "Low_Frequency_Lines",
    "No_Glitch",
    "None_of_the_Above",
    "Paired_Doves",
    "Power_Line",
    "Repeating_Blips",
    "Scattered_Light",
    "Scratchy",
    "Tomte",
    "Violin_Mode",
    "Wandering_Line",
    "Whistle",
]
O3 = [*(n for n in TRAINING if n != "None_of_the_Above"), "Blip_Low_Frequency", "Fast_Scattering"]


@pytest.fixture(scope="module")
def catalog():
    return read_catalog()


@pytest.fixture
def copy(tmp_path):
    """A catalogue that may be broken."""
    return shutil.copytree(shipped("catalog"), tmp_path / "catalog")


def change(folder, card_key, **values):
    path = folder / "classes" / f"{card_key}.toml"
    card = tomllib.loads(path.read_text(encoding="utf-8"))
    card.update(values)
    path.write_text(tomli_w.dumps(card), encoding="utf-8")
    return path


def test_shipped_catalogue_is_valid(catalog):
    assert len(catalog) == len(list((shipped("catalog") / "classes").glob("*.toml")))


@pytest.mark.parametrize(("taxonomy", "labels"), [("training", TRAINING), ("o3", O3)])
def test_official_taxonomies_are_complete(catalog, taxonomy, labels):
    assert [catalog.find(label, taxonomy=taxonomy).name for label in labels] == labels
    assert sorted(n for c in catalog for n in c.names.get(taxonomy, ())) == sorted(labels)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CROWN", "Fast_Scattering"),
        ("LOWFREQUENCYBLIP", "Blip_Low_Frequency"),
        ("BLF", "Blip_Low_Frequency"),
        ("koi fish", "Koi_Fish"),
        ("TMT", "Tomte"),
        ("45MHZLGHTMDLTN", "Light_Modulation"),
        ("70HZLINE", "70HzLine"),
        ("air_compressor_50hz", "Air_Compressor"),
        ("HIGHFREQUENCYBURST", "High_Frequency_Burst"),
        ("PIZZICATO", "Pizzicato"),
        ("1400_ripples", "1400Ripples"),
    ],
)
def test_names_of_other_exports_resolve(catalog, label, name):
    assert catalog.find(label).name == name
    assert label in catalog


@pytest.mark.data
@pytest.mark.parametrize(
    "file", ["trainingset_v1d1_metadata_without_urls.csv.gz", "o3a_L1_labels.csv.gz"]
)
def test_every_label_of_the_public_tables_resolves(catalog, real_data, file):
    with gzip.open(real_data / "gravityspy" / file, "rt") as stream:
        labels = {row["label"] for row in csv.DictReader(stream)}
    assert {catalog.find(label).name for label in labels} == labels


@pytest.mark.data
def test_ranges_are_the_quantiles_of_the_public_metadata(catalog, real_data):
    """About one event in ten lies outside the 5 to 95 % range of a class."""
    path = real_data / "gravityspy" / "trainingset_v1d1_metadata_without_urls.csv.gz"
    with gzip.open(path, "rt") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] == "Blip"]
    low, high = catalog.find("Blip").snr
    inside = sum(low <= float(row["snr"]) <= high for row in rows)
    assert inside / len(rows) == pytest.approx(0.9, abs=0.01)


def test_cards_are_consistent(catalog):
    for card in catalog:
        assert (card.ranges_from is None) == (card.snr is None), card.key
        assert card.status == "candidate" or card.names.keys() & {"training", "o3"}, card.key
        assert card.status != "accepted" or card.family, card.key
        assert "\n" not in card.description


@pytest.mark.parametrize("missing", ["", "None", "nan", "unknown", "_"])
def test_a_missing_label_is_no_class(catalog, missing):
    assert missing not in catalog


def test_unknown_class_names_the_nearest(catalog):
    with pytest.raises(CatalogError, match="did you mean 'Tomte'"):
        catalog.find("Tomtee")
    with pytest.raises(CatalogError, match="did you mean 'training'"):
        catalog.find("Tomte", taxonomy="trainning")
    with pytest.raises(CatalogError, match="known: "):
        catalog.find("None_of_the_Above", taxonomy="o3")


def test_misspelt_key_is_located_with_the_nearest(copy):
    path = change(copy, "blip", peak_frequncy=[1.0, 2.0])
    with pytest.raises(CatalogError, match="did you mean 'peak_frequency'") as caught:
        read_catalog(copy)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"duration": [2.0, 1.0]}, "duration: .*lower limit <= upper limit"),
        ({"status": "approved"}, "status: .*'accepted'"),
        ({"runs": ["O9"]}, "runs.0"),
        ({"key": "Blip Glitch"}, "key"),
        ({"key": "blips"}, "key: the key differs from the name of the file; expected 'blip'"),
        ({"references": []}, "references"),
        ({"references": ["zevin2016"]}, r"references: .*zevin2016.*did you mean 'zevin2017'"),
        ({"names": {"o33": ["Blip"]}}, r"names: .*o33.*did you mean 'o3'"),
        ({"description": ""}, "description"),
    ],
)
def test_breaches_of_the_schema_name_file_and_key(copy, values, said):
    path = change(copy, "blip", **values)
    with pytest.raises(CatalogError, match=said) as problem:
        read_catalog(copy)
    assert str(problem.value).count("blip.toml") == str(problem.value).count(str(path)) == 1


def test_all_problems_are_told_at_once(copy):
    change(copy, "blip", status="x")
    change(copy, "tomte", status="y")
    (copy / "classes" / "helix.toml").write_text("key = ", encoding="utf-8")
    with pytest.raises(CatalogError) as problem:
        read_catalog(copy)
    told = str(problem.value).splitlines()
    files = [str(copy / "classes" / f"{k}.toml") for k in ("blip", "helix", "tomte")]
    assert [line.split(".toml")[0] + ".toml" for line in sorted(told)] == files


def test_a_name_of_two_classes_is_an_error(copy):
    change(copy, "whistle", aliases=["koi-fish"])
    with pytest.raises(CatalogError) as problem:
        read_catalog(copy)
    assert "whistle.toml" in str(problem.value)
    assert "'koifish' already belongs to koi_fish.toml" in str(problem.value)


def test_missing_or_empty_catalogue(copy, tmp_path):
    (copy / "catalog.toml").unlink()
    with pytest.raises(CatalogError, match=r"catalog\.toml"):
        read_catalog(copy)
    (tmp_path / "empty").mkdir()
    shutil.copy(shipped("catalog") / "catalog.toml", tmp_path / "empty")
    with pytest.raises(CatalogError, match="no class cards"):
        read_catalog(tmp_path / "empty")


@given(st.text())
def test_folding_twice_changes_nothing(name):
    assert fold(fold(name)) == fold(name)
