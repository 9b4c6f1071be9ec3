"""Records of the first version of the file, as the release 0.1 wrote them, read and written anew."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lightning_seqfit.cli import main
from lightning_seqfit.record import FILE_VERSION, convert, load, write

LOOKS, CELLS = 4, 6
#: What version 1 said of a run: no list of arrays, no settings, no geometry.
ABOUT = {
    "version": 1,
    "name": "",
    "quantity": "u (V)",
    "axes": ["x"],
    "bounds": [[0.0, 1.0]],
    "shape": [CELLS],
    "notes": ["basis: the module has no nn.Linear"],
}


def first_version(**about: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    steps = np.arange(LOOKS) * 10
    scalars = rng.random((LOOKS, 2))
    scalars[1, 0] = np.nan
    return {
        "steps": steps,
        "total_steps": steps,
        "logger_steps": steps // 2,
        "fit": np.zeros(LOOKS, np.int64),
        "prediction": rng.random((LOOKS, CELLS)).astype(np.float32),
        "points": np.linspace(0.1, 0.9, CELLS)[:, None],
        "target": rng.random(CELLS),
        "trend": np.zeros(CELLS),
        "scalars": scalars,
        "tags": np.array(["error/relative_rmse", "front/fitted"]),
        "somebody/else": rng.random(3),  # what no diagnostic of ours reads
        "about": np.array(json.dumps({**ABOUT, **about})),
    }


def arrays_in(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def assert_bitwise(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one.keys() - {"about"}:
        assert (name, one[name].dtype, one[name].tobytes()) == (name, other[name].dtype, other[name].tobytes())


def test_the_first_version_is_read_and_what_it_lacks_is_absent(tmp_path: Path) -> None:
    write(tmp_path / "probe.npz", first_version())
    run = load(tmp_path)
    assert run.steps.tolist() == [0, 10, 20, 30]
    assert (run.network, run.hyperparameters, run.settings, run.kind, run.finished) == (None, {}, {}, "", False)
    assert (run.front, run.stall, run.notes) == (None, None, ("basis: the module has no nn.Linear",))


def test_a_converted_record_has_the_same_arrays_bit_for_bit_and_says_the_same(tmp_path: Path) -> None:
    write(tmp_path / "probe.npz", first_version())
    assert convert(tmp_path / "probe.npz", tmp_path / "new.npz") == 1
    old, new = arrays_in(tmp_path / "probe.npz"), arrays_in(tmp_path / "new.npz")
    assert_bitwise(old, new)
    said = json.loads(str(new["about"]))
    assert said.pop("version") == FILE_VERSION
    assert said.pop("arrays") == sorted(new)
    assert {"version": 1, **said} == ABOUT
    assert str(load(tmp_path / "new.npz").summary()) == str(load(tmp_path / "probe.npz").summary())


def test_a_lost_array_is_missed_once_it_was_converted(tmp_path: Path) -> None:
    file = tmp_path / "probe.npz"
    write(file, first_version())
    convert(file)
    arrays = arrays_in(file)
    del arrays["somebody/else"]
    write(file, arrays)
    with pytest.raises(ValueError, match="it lacks somebody/else"):
        load(file)


def test_in_place_and_only_once(tmp_path: Path) -> None:
    file = tmp_path / "probe.npz"
    write(file, first_version())
    old = arrays_in(file)
    assert convert(file) == 1
    assert_bitwise(old, arrays_in(file))
    once = file.read_bytes()
    assert convert(file) == FILE_VERSION
    assert file.read_bytes() == once
    assert [each.name for each in tmp_path.iterdir()] == ["probe.npz"]


@pytest.mark.parametrize("damaged", [{"version": 3}, {"axes": []}])
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, damaged: dict[str, object]) -> None:
    file = tmp_path / "probe.npz"
    write(file, first_version(**damaged))
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"probe\.npz"):
        convert(file)
    assert file.read_bytes() == before


def test_the_command_converts_all_probes_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("left", "right"):
        write(tmp_path / "seqfit" / f"{name}.npz", first_version(name=name))
    main(["convert", str(tmp_path)])
    assert capsys.readouterr().out.count("version 1, now 2: ") == 2
    main(["convert", str(tmp_path / "seqfit" / "left.npz")])
    assert "left.npz: version 2, which is the present one: left as it is" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(tmp_path), "-o", str(tmp_path / "both.npz")])
    assert "-o is for one record" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(tmp_path / "nowhere")])
    assert "it holds no record" in capsys.readouterr().err


def ended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    """What a command that ends with 2 prints."""
    with pytest.raises(SystemExit, match="2"):
        main(["convert", *map(str, arguments)])
    said = capsys.readouterr()
    return said.out, said.err


@pytest.mark.parametrize("where", ["{folder}/other.npz", "memory://converted/other.npz"])
def test_another_file_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str) -> None:
    MemoryFileSystem.store.clear()
    file, other = tmp_path / "probe.npz", where.format(folder=tmp_path)
    write(file, first_version())
    write(other, first_version(quantity="other"))
    for to in (other, file):
        said = ended(capsys, file, "-o", to)[1]
        assert f"{to} is there already, and is not written over: give the name of a new file, or none" in said
    assert load(other).quantity == "other"
    assert json.loads(str(arrays_in(file)["about"]))["version"] == 1
    main(["convert", str(file), "-o", other.replace("other", "new")])
    assert load(other.replace("other", "new")).quantity == "u (V)"


def test_a_folder_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "probe.npz"
    write(file, first_version())
    (tmp_path / "empty").mkdir()
    said = ended(capsys, file, "-o", tmp_path / "empty")[1]
    assert f"{tmp_path / 'empty'} is a folder: give the name of a new file, such as" in said
    assert f"{tmp_path / 'empty' / 'probe.npz'}\n" in said
    assert "Errno" not in said
    said = ended(capsys, file, "-o", file / "new.npz")[1]
    assert f"{file} cannot be converted to {file / 'new.npz'}: {file} is a file" in said
    assert [*(tmp_path / "empty").iterdir()] == []


@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there, and links are for administrators")
@pytest.mark.parametrize("mode", [0o600, 0o440])
def test_in_place_a_file_is_for_those_who_could_read_it_and_a_link_stays_one(tmp_path: Path, mode: int) -> None:
    file, link = tmp_path / "elsewhere" / "kept.npz", tmp_path / "probe.npz"
    write(file, first_version())
    file.chmod(mode)
    link.symlink_to("elsewhere/kept.npz")
    assert convert(link) == 1
    assert link.is_symlink()
    assert json.loads(str(arrays_in(file)["about"]))["version"] == FILE_VERSION
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert [each.name for each in file.parent.iterdir()] == ["kept.npz"]


def test_the_command_goes_on_after_a_damaged_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "seqfit" / f"{name}.npz" for name in "abc"]
    for file in files:
        write(file, first_version(name=file.stem))
    files[1].write_bytes(files[1].read_bytes()[:500])
    out, said = ended(capsys, tmp_path)
    assert [line.partition(": ")[0] for line in out.splitlines()] == [str(files[0]), str(files[2])]
    assert f"1 of 3 records could not be converted: {files[1]} is no whole record" in said
    for file in (files[0], files[2]):
        assert json.loads(str(arrays_in(file)["about"]))["version"] == FILE_VERSION


def test_all_runs_below_a_folder_are_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["run_0/seqfit/probe.npz", "run_0/seqfit/run_1/probe.npz", "deep/run_1/seqfit/left.npz"]
    for name in names:
        write(tmp_path / name, first_version())
    (tmp_path / "data.npz").write_bytes(b"not ours")
    main(["convert", str(tmp_path)])
    out = capsys.readouterr().out
    for name in names:
        assert f"{tmp_path / name}: version 1, now 2: {tmp_path / name}\n" in out
        assert json.loads(str(arrays_in(tmp_path / name)["about"]))["version"] == FILE_VERSION
    assert "-o is for one record" in ended(capsys, tmp_path, "-o", tmp_path / "new.npz")[1]


@pytest.mark.skipif(os.name == "nt", reason="only an administrator may make links there")
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "seqfit" / "left.npz", first_version())
    link = tmp_path / "seqfit" / "right.npz"
    link.symlink_to(tmp_path / "gone.npz")
    main(["convert", str(tmp_path)])
    assert f"note  {link} is a link to {tmp_path / 'gone.npz'}, which is not there" in capsys.readouterr().out
    (tmp_path / "seqfit" / "left.npz").unlink()
    assert f"{link} is a link to" in ended(capsys, tmp_path)[1]
