"""Damage to files: of their bytes, and of what their format says they hold.

Each function changes a file in place, by a generator, so that a seed tells the input.
"""

from __future__ import annotations

import contextlib
import json
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

Generator = np.random.Generator

_INTEGERS = (
    0,
    1,
    2,
    127,
    128,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63,
    2**64 - 1,
)
_WORDS = (
    "", " ", "nan", "inf", "-1", "0", "1e400", "1e-320", "x", "\0", "\ud7ff", "İ", "None", "true",
    '"', '"x"', "'", ",", ",,,,", ";", "<", "<a>", "&lol;", "\\", "\t",
    "\x1b[2J", "9" * 400, "a" * 140_000,
    "[" * 3000, "{", "1000000000000000000000", "0x10", "-0.0", "/etc/passwd", "../..", "%s%n",
    "\u202e",
)  # fmt: skip
_TYPES = ("i1", "f2", "c16", "S3", "u8")
_SIGNATURES = (
    b"TREE", b"SNOD", b"HEAP", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF",
    b"BTIN",
    b"GCOL", b"FSHD", b"\x89HDF", b"PAR1", b"IGWD", b"root", b"IHDR", b"IDAT",
)  # fmt: skip


def damage(path: Path, kind: str, rng: Generator) -> None:
    """Damage a file of this kind in one way, seldom in several."""
    for _ in range(1 + rng.geometric(0.7) - 1):
        structural = _STRUCTURAL.get(kind)
        if kind == "folder":
            _damage_one_of(path, rng)
        elif structural is not None and rng.random() < 0.6:
            # What was damaged before may be beyond its library.
            with contextlib.suppress(Exception):
                structural(path, rng)
        else:
            _damage_bytes(path, rng)


def _damage_one_of(folder: Path, rng: Generator) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if not files:  # the last one was removed before
        return
    path = files[rng.integers(len(files))]
    kinds = {".parquet": "parquet", ".csv": "text", ".json": "json", ".toml": "toml"}
    way = rng.random()
    if way < 0.05:
        path.unlink()
    elif way < 0.08:
        other = files[rng.integers(len(files))]
        path.write_bytes(other.read_bytes())
    else:
        damage(path, kinds.get(path.suffix, "bytes"), rng)


def _damage_bytes(path: Path, rng: Generator) -> None:
    data = bytearray(path.read_bytes())
    if not data:
        data = bytearray(b"\0")
    at = _place(data, rng)
    way = rng.integers(8)
    if way == 0:
        for _ in range(rng.integers(1, 9)):
            data[_place(data, rng)] ^= 1 << rng.integers(8)
    elif way == 1:
        width = int(rng.choice([1, 2, 4, 8]))
        value = _INTEGERS[rng.integers(len(_INTEGERS))] % 2 ** (8 * width)
        data[at : at + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
    elif way == 2:
        del data[at:]
    elif way == 3:
        del data[at : at + int(rng.integers(1, 200))]
    elif way == 4:
        data[at:at] = rng.bytes(int(rng.integers(1, 200)))
    elif way == 5:
        length = int(rng.integers(1, 400))
        data[at : at + length] = bytes([int(rng.choice([0, 255]))]) * length
    elif way == 6:
        length, other = int(rng.integers(1, 400)), _place(data, rng)
        data[at : at + length] = data[other : other + length]
    else:
        length = int(rng.integers(1, 64))
        data[at : at + length] = rng.bytes(length)
    path.write_bytes(data)


def _place(data: bytearray, rng: Generator) -> int:
    """Anywhere, near a structure of the format, near the beginning or near the end."""
    size, way = len(data), rng.random()
    if way < 0.45:
        found = data.find(_SIGNATURES[rng.integers(len(_SIGNATURES))], int(rng.integers(size)))
        if found >= 0:
            return min(size - 1, found + int(rng.integers(256)))
    if way < 0.65:
        return int(rng.integers(min(size, 512)))
    if way < 0.8:
        return size - 1 - int(rng.integers(min(size, 512)))
    return int(rng.integers(size))


def _damage_hdf5(path: Path, rng: Generator) -> None:
    with h5py.File(path, "a") as file:
        names = [""]
        file.visit(names.append)
        name = names[rng.integers(len(names))]
        item: Any = file[name] if name else file
        ways: list[Callable[[], None]] = [lambda: _spoil_attribute(item, rng)]
        if name:
            ways += [
                lambda: file.__delitem__(name),
                lambda: _replace(file, name, rng),
                lambda: _replace(file, name, rng),
                lambda: _relink(file, name, rng),
            ]
        ways[rng.integers(len(ways))]()


def _spoil_attribute(item: Any, rng: Generator) -> None:
    names = list(item.attrs)
    name = names[rng.integers(len(names))] if names else "schema"
    if rng.random() < 0.15:
        with contextlib.suppress(KeyError):
            del item.attrs[name]
        return
    item.attrs[name] = _value(item, rng)


def _value(item: Any, rng: Generator) -> Any:
    word = _WORDS[rng.integers(len(_WORDS))]
    with contextlib.suppress(UnicodeEncodeError):
        word.encode()
    values: list[Any] = [
        word.replace("\0", "")[:60_000],
        np.bytes_(b"\xff\xfe\xed"),
        h5py.Empty("f8"),
        np.nan,
        np.inf,
        -1,
        _INTEGERS[rng.integers(len(_INTEGERS) - 1)],
        5e-324,
        np.zeros((2, 3)),
        np.zeros(0),
        [b"a", b"b"],
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        item.ref if hasattr(item, "ref") else 0,
        1 + 2j,
        True,
    ]
    return values[rng.integers(len(values))]


def _replace(file: h5py.File, name: str, rng: Generator) -> None:
    """Another dataset of that name, with the attributes of the one before."""
    attributes = {}
    with contextlib.suppress(Exception):
        attributes = dict(file[name].attrs)
    shape = getattr(file[name], "shape", None) or (4,)
    del file[name]
    large = (int(rng.choice([2**24, 2**31, 2**40, 2**62])),)
    ways: list[Callable[[], Any]] = [
        lambda: file.create_dataset(name, data=_value(file, rng)),
        lambda: file.create_dataset(name, shape=shape, dtype=_TYPES[rng.integers(5)]),
        lambda: file.create_dataset(name, shape=large, dtype="f8", chunks=(1024,)),
        lambda: file.create_dataset(name, shape=(2**27,), dtype="f8", chunks=(2**27,)),
        lambda: file.create_dataset(name, shape=(1000, *shape[1:]), dtype="f4", chunks=True),
        lambda: file.create_dataset(name, shape=shape[:1], dtype=h5py.string_dtype()),
        lambda: file.create_dataset(name, shape=shape[:1], dtype=h5py.vlen_dtype("i4")),
        lambda: file.create_dataset(name, data=[b"\xff\xff"] * min(int(shape[0]), 9)),
        lambda: file.create_dataset(name, shape=(8,), dtype="u1", external=[("/etc/passwd", 0, 8)]),
        lambda: file.create_dataset(name, data=np.full(shape, np.nan)),
        lambda: file.create_dataset(name, data=np.full(shape, np.inf)),
        lambda: file.create_group(name),
        lambda: file.create_virtual_dataset(name, _virtual()),
    ]  # fmt: skip
    ways[rng.integers(len(ways))]()
    for key, value in attributes.items():
        with contextlib.suppress(Exception):
            file[name].attrs[key] = value


def _virtual() -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout(shape=(100,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(100,))
    return layout


def _relink(file: h5py.File, name: str, rng: Generator) -> None:
    del file[name]
    parent = name.rpartition("/")[0] or "/"
    ways: list[Any] = [
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink("/nothing"),
        h5py.SoftLink("/"),
        h5py.ExternalLink("/etc/passwd", "/"),
        h5py.ExternalLink(Path(file.filename).name, f"/{name}"),
        file[parent],
        file["/"],
    ]
    file[name] = ways[rng.integers(len(ways))]


def _damage_parquet(path: Path, rng: Generator) -> None:
    table = pq.read_table(path)
    names = table.column_names
    number = int(rng.integers(len(names)))
    name, rows = names[number], len(table)
    metadata = dict(table.schema.metadata or {})
    values: list[Any] = [
        pa.nulls(rows),
        pa.array([None] * rows, pa.string()),
        pa.array(["x"] * rows),
        pa.array([b"\xff"] * rows),
        pa.array([[1.0]] * rows),
        pa.array([{"a": 1}] * rows),
        pa.array([float("nan")] * rows),
        pa.array([2**62] * rows),
        pa.array(["a" * 70_000] * rows),
        pa.array([[]] * rows, pa.list_(pa.float32(), 0)) if rows else pa.nulls(rows),
    ]
    way = rng.integers(7)
    if way < 3:
        table = table.set_column(number, name, values[rng.integers(len(values))])
    elif way == 3:
        table = table.drop_columns([name])
    elif way == 4:
        table = table.append_column(name, values[rng.integers(len(values))])
    elif way == 5:
        table = table.slice(0, int(rng.integers(rows + 1)))
    elif metadata:
        key = sorted(metadata)[rng.integers(len(metadata))]
        words = [w.encode(errors="replace") for w in _WORDS]
        metadata[key] = [*words, b"\xff", b"[]", b"{}", b"null", b'{"digest": 3}'][
            rng.integers(len(words) + 5)
        ]
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path)


def _damage_text(path: Path, rng: Generator) -> None:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.split("\n")
    row = int(rng.integers(len(lines)))
    word = _WORDS[rng.integers(len(_WORDS))]
    way = rng.integers(8)
    if way < 4:  # one cell, attribute or word
        for separator in rng.permutation([",", '"', " ", ">"]):
            if separator in lines[row]:
                cells = lines[row].split(separator)
                cells[rng.integers(len(cells))] = word
                lines[row] = separator.join(cells)
                break
        else:
            lines[row] = word
    elif way == 4:
        del lines[row]
    elif way == 5:
        lines.insert(row, lines[rng.integers(len(lines))])
    elif way == 6:
        lines[row] = lines[row][: int(rng.integers(len(lines[row]) + 1))]
    else:
        at = int(rng.integers(len(lines[row]) + 1))
        lines[row] = lines[row][:at] + word + lines[row][at:]
    path.write_bytes("\n".join(lines).encode("utf-8", errors="surrogateescape"))


def _tree_damage(
    load: Callable[[str], Any], dump: Callable[[Any], str]
) -> Callable[[Path, Generator], None]:
    def damage_tree(path: Path, rng: Generator) -> None:
        if rng.random() < 0.3:
            _damage_text(path, rng)
            return
        values = load(path.read_text(encoding="utf-8"))
        places = list(_places(values))
        holder, key = places[rng.integers(len(places))]
        choices = [
            None, True, -1, 2**63 - 1, 1e308, float("nan"), float("inf"), "", "x" * 10_000, [], {},
            [[[]]],
            [1, "a"], {"a": 1}, _WORDS[rng.integers(len(_WORDS))],
        ]  # fmt: skip
        if rng.random() < 0.2:
            del holder[key]
        elif rng.random() < 0.1 and isinstance(holder, dict):
            holder["unknown"] = holder.pop(key)
        else:
            holder[key] = choices[rng.integers(len(choices))]
        path.write_text(dump(values), encoding="utf-8")

    return damage_tree


def _places(values: Any) -> Any:
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _damage_safetensors(path: Path, rng: Generator) -> None:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = path.with_suffix(".header")
    header.write_bytes(data[8 : 8 + length])
    _STRUCTURAL["json"](header, rng)
    changed = header.read_bytes()
    header.unlink()
    stated = len(changed) if rng.random() < 0.8 else _INTEGERS[rng.integers(len(_INTEGERS))]
    path.write_bytes(struct.pack("<Q", stated) + changed + data[8 + length :])


_STRUCTURAL: dict[str, Callable[[Path, Generator], None]] = {
    "hdf5": _damage_hdf5,
    "parquet": _damage_parquet,
    "text": _damage_text,
    "toml": _tree_damage(tomllib.loads, tomli_w.dumps),
    "json": _tree_damage(json.loads, json.dumps),
    "safetensors": _damage_safetensors,
}
