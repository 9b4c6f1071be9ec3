"""A file is loaded as it was written or refused with its path, whatever was done to it."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit import Probe, Run, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import Net, fit, trainer


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Run]:
    """A record with every section, the finer cells of the last look too."""
    folder = tmp_path_factory.mktemp("written")

    class Plane(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[:, :1])

    probe = Probe.grid([(0.0, 1.0), (0.0, 2.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0]), resolution=(40, 40))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(figures, "draw", lambda run: {})
        torch.manual_seed(0)
        fit(trainer(folder, [SequentialFitting(probe)], max_steps=6, logger=False), Plane())
    file = folder / "seqfit" / "probe.npz"
    run = load(file)
    assert None not in (run.front, run.oscillations, run.spectrum, run.basis, run.fine)
    return file.read_bytes(), run


def assert_same(one: Any, other: Any, where: str = "run") -> None:
    assert type(one) is type(other), where
    if is_dataclass(one):
        for each in fields(one):
            assert_same(getattr(one, each.name), getattr(other, each.name), f"{where}.{each.name}")
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        assert one.tobytes() == other.tobytes(), where
    elif hasattr(one, "items"):
        assert list(one) == list(other), where
        for key, value in one.items():
            assert_same(value, other[key], f"{where}[{key}]")
    else:
        assert one == other or (one != one and other != other), where  # both NaN


def loads_or_refuses(path: Path, data: bytes, run: Run) -> bool:
    """Whether it loads; then it is what was written, else the message has the path and no dangerous advice."""
    path.write_bytes(data)
    refusal = None
    try:
        assert_same(load(path), run)
    except ValueError as error:
        refusal = error
    if refusal is not None:
        assert str(path) in str(refusal)
        assert "pickle" not in str(refusal)
        assert refusal.__suppress_context__  # what numpy or zipfile said stays out of the traceback
    return refusal is None


def test_a_file_that_was_cut_off_is_refused(written: tuple[bytes, Run], tmp_path: Path) -> None:
    data, run = written
    lengths = np.random.default_rng(0).integers(0, len(data), 200)
    assert not any(loads_or_refuses(tmp_path / "bad.npz", data[:length], run) for length in lengths)


def headers(data: bytes) -> list[int]:
    """Positions of the bytes that say what is where: of the archive, its directory, and each array."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        positions = set(range(archive.start_dir, len(data)))
        for entry in archive.infolist():
            positions |= set(range(entry.header_offset, min(entry.header_offset + 190, archive.start_dir)))
    return sorted(positions)


@pytest.mark.parametrize("part", ["headers", "data"])
def test_a_file_with_one_bit_flipped_is_as_it_was_or_refused(
    part: str, written: tuple[bytes, Run], tmp_path: Path
) -> None:
    data, run = written
    random = np.random.default_rng(1)
    positions = random.choice(headers(data), 1000) if part == "headers" else random.integers(0, len(data), 1000)
    refused = 0
    for position, bit in zip(positions, random.integers(0, 8, 1000), strict=True):
        damaged = bytearray(data)
        damaged[position] ^= 1 << bit
        refused += not loads_or_refuses(tmp_path / "bad.npz", bytes(damaged), run)
    assert refused > 600  # times, flags and what no run is made of may be anything


@settings(max_examples=200)
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=4))
def test_a_file_with_bytes_replaced_taken_out_and_put_in_is_as_it_was_or_refused(
    edits: list[tuple[float, int, bytes]], written: tuple[bytes, Run], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, run = written
    for place, taken, put in edits:
        start = int(place * len(data))
        data = data[:start] + put + data[start + taken :]
    loads_or_refuses(tmp_path_factory.getbasetemp() / "edited.npz", data, run)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose checksums are right, whatever it holds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return file.getvalue()


def npy(values: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def header(part: bytes, old: str, new: str) -> bytes:
    """The array with other words in its header, as long as before."""
    assert old.encode() in part
    changed = part.replace(old.encode(), new.encode(), 1)
    length = 10 + struct.unpack("<H", part[8:10])[0]
    grown = len(changed) - len(part)
    return changed[: length + grown - 1].rstrip(b" ").ljust(length - 1) + b"\n" + changed[length + grown :]


def about(part: bytes, **changes: Any) -> bytes:
    said = json.loads(str(np.load(io.BytesIO(part)))) | changes
    return npy(np.array(json.dumps({key: value for key, value in said.items() if value is not ...})))


def array(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, bytes]], None]:
    def changed(parts: dict[str, bytes]) -> None:
        parts[f"{name}.npy"] = npy(change(np.load(io.BytesIO(parts[f"{name}.npy"]))))

    return changed


def words(name: str, old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def changed(parts: dict[str, bytes]) -> None:
        parts[f"{name}.npy"] = header(parts[f"{name}.npy"], old, new)

    return changed


def said(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    return lambda parts: parts.update({"about.npy": about(parts["about.npy"], **changes)})


#: What a file may hold though its checksums are right, and how it is refused.
LIES: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "more looks than there are values": (words("prediction", "(6, 400)", "(99999999999, 400)"), "float32 of shape"),
    "fewer looks than there are values": (words("prediction", "(6, 400)", "(5, 400)"), "and it holds 9600 bytes"),
    "a shape of as many values": (words("prediction", "(6, 400)", "(400, 6)"), "expected \\(6, 400\\) \\(looks, cells"),
    "numbers of another kind": (words("prediction", "<f4", "<i4"), "'prediction' is int32, expected numbers"),
    "no numbers": (words("prediction", "'<f4'", "'|V4'"), "neither numbers nor text"),
    "objects": (
        lambda parts: parts.update({"target.npy": npy(np.array([{}], dtype=object), allow_pickle=True)}),
        "'target' is no array",
    ),
    "a header that is code": (words("target", "<f8", "'+'x"), "neither numbers nor text"),
    "a header of many brackets": (
        lambda parts: parts.update({"target.npy": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535}),
        "'target' is no array",
    ),
    "no array at all": (lambda parts: parts.update({"target.npy": b"text"}), "does not begin as one"),
    "one look less in a column": (
        array("steps", lambda values: values[:-1]),
        "'total_steps' has shape \\(6,\\), expected \\(5,\\) \\(looks\\)",
    ),
    "no look": (array("steps", lambda values: values[:0]), "'steps' has no look"),
    "one tag less": (array("tags", lambda values: values[:-1]), "'tags' has shape"),
    "a tag twice": (array("tags", lambda values: np.append(values[:-1], values[0])), "'tags' holds one twice"),
    "one cell less": (array("points", lambda values: values[:-1]), "'points' has shape"),
    "points nowhere": (array("points", lambda values: values * np.nan), "'points' holds values that are not finite"),
    "one axis less": (array("points", lambda values: values[:, :1]), "'points' has shape"),
    "one band less": (array("fourier/carrying", lambda values: values[:-1]), "'fourier/carrying' has shape"),
    "one edge less": (array("fourier/edges", lambda values: values[:-1]), "rising edges"),
    "edges that fall": (array("fourier/edges", lambda values: values[::-1]), "rising edges"),
    "one frequency less": (array("fourier/frequency", lambda values: values[:-1]), "'fourier/power' has shape"),
    "one unit less": (array("basis/snapshot_units", lambda values: values[:, :-1]), "'basis/snapshot_units' has shape"),
    "one snapshot less": (array("basis/snapshot_steps", lambda values: values[:-1]), "'basis/snapshot_steps' has"),
    "one fine cell less": (array("fine/target", lambda values: values[:-1]), "'fine/target' has shape"),
    "one arrival less": (array("front/arrival", lambda values: values[:-1]), "'front/arrival' has shape"),
    "a column left out": (lambda parts: parts.pop("steps.npy"), "it lacks steps"),
    "a whole section left out": (
        lambda parts: [parts.pop(name) for name in list(parts) if name.startswith("fourier/")],
        "it lacks fourier/band_power, fourier/carrying",
    ),
    "hyperparameters that are none": (said(hyperparameters=[1]), "'about' has hyperparameters \\[1\\], no texts"),
    "a hyperparameter of parts": (said(hyperparameters={"lr": [1]}), "'about' has hyperparameters .*, no texts"),
    "settings that are none": (said(settings="all"), "'about' has settings 'all', no texts"),
    "a setting of parts": (said(settings={"seconds": {}}), "'about' has settings .*, no texts"),
    "an end that is none": (said(finished=1), "'about' has finished 1, neither true nor false"),
    "a list for about": (lambda parts: parts.update({"about.npy": npy(np.array("[1]"))}), "'about' is list"),
    "no JSON": (lambda parts: parts.update({"about.npy": npy(np.array("{"))}), "JSONDecodeError"),
    "much JSON": (lambda parts: parts.update({"about.npy": npy(np.array("[" * 200_000))}), "RecursionError"),
    "numbers for about": (lambda parts: parts.update({"about.npy": npy(np.zeros(3))}), "'about' is float64"),
    "no name": (said(name=...), "'about' has name None, no text"),
    "a number for a name": (said(name=3), "'about' has name 3"),
    "no axes": (said(axes=[]), "'about' has axes"),
    "one axis twice": (said(axes=["x", "x"]), "not one name for each"),
    "bounds of one axis": (said(bounds=[[0, 1]]), "not a finite \\(low, high\\) for each of 2 axes"),
    "bounds without end": (said(bounds=[[0, 1], [0, float("inf")]]), "not a finite"),
    "bounds too large": (said(bounds=[[0, 1], [0, 10**400]]), "OverflowError"),
    "bounds the wrong way": (said(bounds=[[0, 1], [2, 0]]), "not a finite"),
    "half a cell": (said(shape=[20, 20.5]), "'about' has shape"),
    "other cells": (said(shape=[20, 21]), "expected \\(6, 420\\)"),
    "no fine cells": (said(fine_shape=...), "'about' has fine_shape None"),
    "notes that are a text": (said(notes="all well"), "'about' has notes"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_contradicts_itself_is_refused(lie: str, written: tuple[bytes, Run], tmp_path: Path) -> None:
    change, match = LIES[lie]
    parts = members(written[0])
    change(parts)
    (tmp_path / "bad.npz").write_bytes(zipped(parts))
    with pytest.raises(ValueError, match=match) as caught:
        load(tmp_path / "bad.npz")
    assert str(tmp_path / "bad.npz") in str(caught.value)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [b"", b"hello", npy(np.zeros(3)), zipped({"letter.txt": b"dear reader"})],
    ids=["empty", "text", "npy", "zip"],
)
def test_another_kind_of_file_is_refused(kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(kind)
    with pytest.raises(ValueError, match=r"bad\.npz (is no whole record|has version None)") as caught:
        load(tmp_path / "bad.npz")
    assert "pickle" not in str(caught.value)


def test_compressed_arrays_are_refused_before_they_are_unpacked(written: tuple[bytes, Run], tmp_path: Path) -> None:
    bomb = members(written[0]) | {"prediction.npy": npy(np.zeros((7, 10_000_000), np.float32))}
    (tmp_path / "bad.npz").write_bytes(zipped(bomb, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="'about' is compressed, which no array of a record is"):
        load(tmp_path / "bad.npz")


def test_what_no_run_is_made_of_is_not_read(written: tuple[bytes, Run], tmp_path: Path) -> None:
    data, run = written
    file = tmp_path / "more.npz"
    file.write_bytes(data)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("letter.txt", bytes(10**7))
    damaged = bytearray(file.read_bytes())
    damaged[damaged.index(b"letter.txt") + 15] ^= 255
    assert loads_or_refuses(file, bytes(damaged), run)


def test_a_file_of_version_1_is_loaded(written: tuple[bytes, Run], tmp_path: Path) -> None:
    data, run = written
    parts = members(data)
    said(version=1, arrays=..., lineage=..., finished=..., last=...)(parts)
    fine = replace(run.fine, finished=False) if run.fine else None
    assert loads_or_refuses(tmp_path / "old.npz", zipped(parts), replace(run, finished=False, fine=fine))


def test_an_array_is_loaded_in_whatever_order_its_bytes_are(written: tuple[bytes, Run], tmp_path: Path) -> None:
    data, run = written
    parts = members(data)
    array("prediction", lambda values: np.asfortranarray(values.astype(">f4")))(parts)
    assert loads_or_refuses(tmp_path / "turned.npz", zipped(parts), run)
