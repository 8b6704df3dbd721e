"""The front door: names, signatures, and how little `import glitchvae` does."""

import ast
import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import glitchvae

PACKAGE = Path(glitchvae.__file__).parent
SIGNATURES = {
    "Events": "(embeddings, problems=(), _load_images=None)",
    "GlitchArchive": "(archive)",
    "Images": "(spectrograms)",
    "discover": "(data, labels=None, *, live=None, model=None, catalog=None, progress=False, "
    "**settings)",
    "embed": "(data, *, triggers=None, segments=None, flags=(), masks=('DATA',), snr=7.5, "
    "model='default', imaging='gravity-spy', archive=None, ifo=None, channel=None, "
    "uncertainty=True, device='auto', progress=False)",
    "find_triggers": "(strain, *, segments=None, flags=(), masks=('DATA',), snr=7.5, ifo=None, "
    "channel=None, device='auto')",
    "make_spectrograms": "(strain, triggers, *, imaging='gravity-spy', ifo=None, channel=None, "
    "device='auto')",
    "open_archive": "(path=None)",
    "adapt": "(archive, labels=None, *, output=None, model=None, strain=(), seed=0, "
    "device='auto', progress=False, **settings)",
    "Dataset": "(images, labels=None, split=None, *, factors=None, name='')",
    "Model": "(checkpoint, *, temporary=None)",
    "attack": "(model, inputs, targets, goal='latent', *, penalty_weights=…, layers=None, "
    "channels=None, data_range=(0.0, 1.0), method='batch', evaluations=200, keep=True, "
    "progress=False)",
    "chairs": "(path=None, *, points=None, seed=0)",
    "disentanglement": "(encoder, data, *, sampled=False, points=50000, protocol=None, metrics=(), "
    "seed=0, progress=False)",
    "dsprites": "(path=None, *, points=None, seed=0)",
    "load_model": "(name_or_folder='default', device='auto', *, network=None)",
    "open_dataset": "(path)",
    "probe": "(codes, labels, split=None, *, gps=None, block=86400.0, seed=0, progress=False)",
    "simulate_dataset": "(count, *, seed, balance='official', imaging='light', "
    "ifos=('H1', 'L1'), output=None, device='cpu', progress=False)",
    "train": "(data, objective='annealed', steps=None, *, model=None, output=None, "
    "resume=False, seed=0, device='auto', progress=False, **settings)",
}
METHODS = {
    "GlitchArchive": {
        "events",
        "label",
        "live_time",
        "merge",
        "path",
        "remove",
        "similar",
        "write_report",
    },
    "Images": {"plot"},
    "Dataset": {
        "batches", "classes", "event_id", "factor_names", "factors", "gps", "images", "inputs",
        "kind", "labels", "record", "shape", "split", "summary", "torch", "training_images",
    },
    "Model": {
        "card", "classes_", "dataset", "decode", "device", "encode", "export", "image_shape",
        "latent_size", "module", "network", "path", "posterior", "predict", "predict_proba",
        "reconstruct", "save", "takes_glitches", "transform",
    },
}  # fmt: skip


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=PACKAGE.parent,
    )  # fmt: skip
    return done.stdout.strip()


def written(function) -> str:
    """A signature without annotations; an array as a default is …"""
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=p.empty, default="…" if hasattr(p.default, "shape") else p.default)
        for p in signature.parameters.values()
    ]
    plain = signature.replace(parameters=parameters, return_annotation=signature.empty)
    return str(plain).replace("'…'", "…")


def test_an_import_loads_nothing_but_itself():
    loaded = python(
        "import sys; before = set(sys.modules); import glitchvae;"
        "print(*sorted(m for m in set(sys.modules) - before))"
    )
    foreign = {m.split(".")[0] for m in loaded.split()} - set(sys.stdlib_module_names)
    assert foreign == {"glitchvae"}
    assert [m for m in loaded.split() if m.startswith("glitchvae")] == ["glitchvae"]


def test_a_name_loads_what_it_needs():
    loaded = python("import sys, glitchvae; glitchvae.GlitchvaeError; print(*sys.modules)").split()
    assert "glitchvae.errors" in loaded
    assert not {"torch", "gwpy", "numpy"} & set(loaded)


def test_tables_of_names_agree():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    table = {name: f"glitchvae.{module}" for name, module in glitchvae._MODULE_OF.items()}
    assert seen == table
    assert set(glitchvae.__all__) == {*table, "__version__"}
    assert glitchvae.__all__ == sorted(glitchvae.__all__)


@pytest.mark.parametrize("name", glitchvae.__all__)
def test_every_name_is_there_and_described(name):
    value = getattr(glitchvae, name)
    assert name in dir(glitchvae)
    assert name == "__version__" or value.__doc__


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_these(name):
    assert written(getattr(glitchvae, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", METHODS)
def test_members_are_these(name):
    kind = getattr(glitchvae, name)
    members = {m for m in dir(kind) if not m.startswith("_")}
    assert members == METHODS[name]
    assert all(getattr(kind, m).__doc__ for m in members)


def test_help_is_a_tour():
    text = pydoc.render_doc(glitchvae, renderer=pydoc.plaintext)
    tour = text[: text.index("PACKAGE CONTENTS")]
    names = ["embed", "open_archive", "discover", "load_model", "open_dataset", "train", "probe"]
    for name in [*names, "disentanglement", "attack"]:
        assert f"gv.{name}(" in tour
    assert len(tour.splitlines()) <= 25
    for name in SIGNATURES:
        assert name in text


def test_a_misspelt_name_is_told_the_nearest():
    code = "import glitchvae\nglitchvae.trian"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        cwd=PACKAGE.parent,
    )  # fmt: skip
    assert "has no attribute 'trian'. Did you mean: 'train'?" in done.stderr


def test_python_m_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "glitchvae", "--version"], capture_output=True, text=True,
        check=True, cwd=PACKAGE.parent,
    )  # fmt: skip
    assert done.stdout.strip() == f"glitchvae, version {glitchvae.__version__}"


def test_types_are_for_others_too():
    assert (PACKAGE / "py.typed").exists()
