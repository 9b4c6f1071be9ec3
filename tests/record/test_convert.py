"""Records of the first version of the file, as the release 0.1 wrote them, read and written anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

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
