"""The pages of docs/results are what their results say, and hold every published value once."""

import runpy
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from glitchvae.config import read_toml

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("table1", "table2", "seatbelt")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The pages written anew, from a copy of the results."""
    folder = tmp_path_factory.mktemp("docs") / "results"
    shutil.copytree(DOCS / "results", folder, ignore=shutil.ignore_patterns("*.parquet"))
    for name in PAGES:
        (folder / f"{name}.md").unlink()
    main = runpy.run_path(str(DOCS / "write_results.py"))["main"]
    done = CliRunner().invoke(main, ["--results", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0
    return {name: (folder / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_results_say(written, name):
    assert (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8") == written[name]


def test_pictures_of_pages_are_there(written):
    for text in written.values():
        for part in text.split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target.endswith((".png", ".webp")):
                assert (DOCS / "results" / target).exists(), target


def test_every_published_value_has_one_verdict(written):
    table = read_toml(Path(__file__).parents[2] / "pipelines/table2_dsprites/published.toml")
    sections = written["table2"].split("\n### ")
    for metric in ("beta_vae", "factor_vae", "mig", "dci_disentanglement", "modularity", "sap"):
        (section,) = [part for part in sections if part.startswith(f"{metric}\n")]
        rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
        printed = {row[0].removeprefix("| "): row[1] for row in rows[:21]}
        assert printed == {name: f"{row[metric]:.3f}" for name, row in table.items()}
        assert all(row[4].rstrip(" |") for row in rows[:21])
    for accuracy in ("0.6126", "0.8001", "0.8160"):
        assert written["table1"].count(f"| {accuracy} | ") == 1
    lines = written["seatbelt"].splitlines()
    for where, count in (("Table 1", 12), ("Table D.1", 6), ("Table J.2", 36), ("section 5.2", 4)):
        assert sum(line.startswith(f"| {where} | ") for line in lines) == count
