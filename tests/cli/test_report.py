"""``seqfit report``: a record read, drawn, and compared with files of values."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.cli import main
from lightning_seqfit.cli import report as command
from lightning_seqfit.record.file import write
from tests.cli.test_cli import shown
from tests.record.test_against import Front, slow, watched, waves
from tests.report.making import Elements, described


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs without a target along a line and in the plane."""
    folder = tmp_path_factory.mktemp("records")
    watched(folder / "line", Front(waves), Probe.grid([(0.0, 1.0)], None))
    watched(folder / "plane", Front(slow), Probe.grid([(0.0, 1.0)] * 2, None, resolution=40, name="flow"))
    return {name: folder / name for name in ("line", "plane")}


@pytest.fixture
def line(records: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(records["line"], tmp_path / "line"))


@pytest.fixture
def plane(records: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(records["plane"], tmp_path / "plane"))


def report(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    main(["report", *map(str, arguments)])
    return capsys.readouterr().out


def ended(folder: Path, finished: bool) -> None:
    """Write into a record whether its fit has ended."""
    (file,) = (folder / "seqfit").glob("*.npz")
    arrays = dict(np.load(file))
    arrays["about"] = np.array(json.dumps({**json.loads(str(arrays["about"])), "finished": finished}))
    write(file, arrays)


def test_the_page_lies_beside_the_record_and_says_what_the_terminal_says(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = report(capsys, line)
    assert shown(out, "page") == str(line / "seqfit" / "report.html")
    text = Elements((line / "seqfit" / "report.html").read_text("utf-8")).text
    assert str(line) in text
    assert f"moved {shown(out, 'moved')}" in text
    assert "front is absent: the probe has no target" in text
    report(capsys, line, "--against", "final")
    text = Elements((line / "seqfit" / "report_against_final.html").read_text("utf-8")).text
    assert "the run's own last prediction" in text


def test_a_page_alone_goes_where_it_is_asked_for(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((line / "seqfit").iterdir())
    out = report(capsys, line, "-o", tmp_path / "new" / "page.html")
    assert "pictures" not in out
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    assert sorted((line / "seqfit").iterdir()) == before


def test_all_probes_of_a_run_are_on_its_page(line: Path, plane: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(plane / "seqfit" / "flow.npz", line / "seqfit" / "flow.npz")
    out = report(capsys, line)
    found = Elements((line / "seqfit" / "report.html").read_text("utf-8"))
    assert [attributes["aria-label"] for _, attributes in found.found if attributes.get("class") == "part"] == [
        "probe",
        "flow",
    ]
    assert out.index("\nflow:\n") > out.index("probe:\n") >= 0
    assert out.count("pictures") == 2
    report(capsys, line, "--name", "flow")
    assert Elements((line / "seqfit" / "report.html").read_text("utf-8")).text.count("not judged") == 1


def test_several_runs_are_compared_where_one_is(
    line: Path, plane: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = report(capsys, line, plane)
    assert out == "page      report.html\n"
    text = Elements((tmp_path / "report.html").read_text("utf-8")).text
    assert "line and plane" in text
    assert "Compared" in text
    assert not list((line / "seqfit").glob("*.html"))


def test_a_page_that_a_browser_is_slow_to_open_is_said(
    line: Path, plane: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MOST_BYTES", 10_000)
    out = report(capsys, line, plane, "-o", tmp_path / "page.html")
    size = (tmp_path / "page.html").stat().st_size / 1e6
    assert out.startswith(f"note  the page has {size:.1f} MB, which a browser is slow to open; seqfit compare RUN ... ")
    assert "--best" not in report(capsys, line, "-o", tmp_path / "page.html")


def test_of_several_runs_those_that_can_be_read_are_reported(
    line: Path, plane: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = line / "seqfit" / "probe.npz"
    file.write_bytes(file.read_bytes()[:-1000])
    out = report(capsys, line, plane, tmp_path / "nowhere", "-o", tmp_path / "page.html")
    text = Elements((tmp_path / "page.html").read_text("utf-8")).text
    for said in (out, text):
        assert f"{file} is no whole record" in said
        assert f"no probe.npz in {tmp_path / 'nowhere' / 'seqfit'}: it holds no record" in said
    assert "Not read" in text


@pytest.mark.parametrize("name", ["../outside", "a/b", "x\0y", "n" * 300, "\ud800"])
def test_pictures_stay_in_their_folder_whatever_a_record_is_called(
    name: str, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (line / "seqfit").glob("*.npz")
    arrays = dict(np.load(file))
    arrays["about"] = np.array(json.dumps({**json.loads(str(arrays["about"])), "name": name}))
    write(file, arrays)
    before = {*tmp_path.rglob("*")}
    report(capsys, line)
    made = {*tmp_path.rglob("*")} - before
    assert {each.parent for each in made} == {line / "seqfit"}
    assert any(each.suffix == ".png" for each in made)


@pytest.mark.skipif(os.name == "nt", reason="paths are UTF-16 there")
def test_a_path_that_is_not_in_utf_8_is_no_obstacle(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    shutil.copytree(line, odd)
    report(capsys, odd, "-o", tmp_path / "page.html")
    assert "caf?" in (tmp_path / "page.html").read_text("utf-8")


def test_a_path_that_cannot_be_looked_at_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("report", "compare"):
        with pytest.raises(SystemExit) as stopped:
            main([name, "a" * 5000])
        assert stopped.value.code == 2
        assert "File name too long" in capsys.readouterr().err


def test_two_records_of_one_name_are_both_there(line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(line / "seqfit" / "probe.npz", line / "seqfit" / "backup.npz")
    report(capsys, line, "-o", tmp_path / "page.html")
    text = Elements((tmp_path / "page.html").read_text("utf-8")).text
    assert "probe in backup.npz" in text


def test_a_remote_record_is_read_and_its_page_goes_where_it_is_asked_for(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = fsspec.filesystem("memory")
    store.put(str(line / "seqfit"), "/runs/far/seqfit", recursive=True)
    try:
        out = report(capsys, "memory://runs/far", "-o", tmp_path)
        assert shown(out, "page") == str(tmp_path / "report.html")
        assert "memory://runs/far" in (tmp_path / "report.html").read_text("utf-8")
    finally:
        store.rm("/runs", recursive=True)


class TestLive:
    def test_pages_follow_a_run_until_it_has_ended(
        self, line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page, pages = line / "seqfit" / "report.html", []
        ended(line, False)

        def sleep(seconds: float) -> None:
            pages.append((seconds, described(page.read_text("utf-8"))["live"]))
            if len(pages) == 2:
                (line / "seqfit" / "probe.npz").rename(line / "away")  # as while a store answers nobody
            if len(pages) == 3:
                (line / "away").rename(line / "seqfit" / "probe.npz")
                ended(line, True)

        monkeypatch.setattr(command.time, "sleep", sleep)
        out = report(capsys, line, "--live", "3")
        assert pages == [(3.0, 3.0)] * 3
        assert described(page.read_text("utf-8"))["live"] is None
        assert out.startswith(f"page      {page}, anew every 3 s")
        assert "note  no probe.npz in" in out
        assert shown(out, "target") == "none"

    def test_ctrl_c_leaves_a_page_that_stays(
        self, line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def sleep(seconds: float) -> None:
            assert seconds == 10.0
            raise KeyboardInterrupt

        ended(line, False)
        monkeypatch.setattr(command.time, "sleep", sleep)
        report(capsys, line, "--live")
        assert described((line / "seqfit" / "report.html").read_text("utf-8"))["live"] is None

    def test_a_run_that_has_ended_is_not_followed(
        self, line: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended(line, True)
        monkeypatch.setattr(command.time, "sleep", None)
        report(capsys, line, "--live")
        assert described((line / "seqfit" / "report.html").read_text("utf-8"))["live"] is None


def sine(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = np.sin(26 * np.pi * places)
    return values


def test_a_record_is_summed_up_and_drawn_beside_it(line: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for old in (line / "seqfit").glob("*.png"):
        old.unlink()
    out = report(capsys, line)
    assert shown(out, "target") == "none"
    assert shown(out, "moved").endswith("since step 50")
    assert "note  front is absent: the probe has no target" in out
    assert f"pictures  {line / 'seqfit'}" in out
    assert {path.name for path in (line / "seqfit").glob("*.png")} == {"probe_2_fit.png", "probe_7_change.png"}


def test_against_final_and_with_an_output_of_its_own(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((line / "seqfit").iterdir())
    out = report(capsys, line / "seqfit" / "probe.npz", "--against", "final", "--output", tmp_path / "new" / "folder")
    assert float(shown(out, "sequentiality")) > 0.9
    assert "not against a target" in out
    drawn = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert {"probe_against_final_1_front.png", "probe_against_final_3_arrival.png"} <= drawn
    assert sorted((line / "seqfit").iterdir()) == before


def save_npy(file: Path, x: np.ndarray[Any, Any], u: np.ndarray[Any, Any]) -> None:
    np.save(file.with_suffix(".npy"), u)


def save_npz(file: Path, x: np.ndarray[Any, Any], u: np.ndarray[Any, Any]) -> None:
    np.savez(file.with_suffix(".npz"), exact=u)


def save_points(file: Path, x: np.ndarray[Any, Any], u: np.ndarray[Any, Any]) -> None:
    mixed = np.random.default_rng(0).permutation(len(x))
    np.savez(file.with_suffix(".npz"), points=x[mixed, None], values=u[mixed])


def save_csv(file: Path, x: np.ndarray[Any, Any], u: np.ndarray[Any, Any]) -> None:
    table = np.column_stack([x, u])
    np.savetxt(file.with_suffix(".csv"), table, delimiter=",", header="x,u", comments="")


def save_bare_csv(file: Path, x: np.ndarray[Any, Any], u: np.ndarray[Any, Any]) -> None:
    np.savetxt(file.with_suffix(".csv"), u)


@pytest.mark.parametrize("save", [save_npy, save_npz, save_points, save_csv, save_bare_csv])
def test_every_kind_of_file_is_read(
    save: Callable[..., None], line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = (np.arange(512) + 0.5) / 512
    save(tmp_path / "exact", x, sine(x))
    (file,) = tmp_path.glob("exact.*")
    out = report(capsys, line, "--against", file)
    assert shown(out, "fitted") == "100 %"
    assert shown(out, "relative error") == "0.000"
    assert shown(out, "oscillations fitted") == "13 of 13"
    assert (line / "seqfit" / "probe_against_exact_1_front.png").is_file()


def test_values_at_points_of_their_own_are_brought_to_the_cells(
    plane: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = np.random.default_rng(0).random((60_000, 2))
    with torch.no_grad():
        values = slow(torch.from_numpy(points)).numpy()
    np.savez(tmp_path / "dense.npz", points=np.vstack([points, [[7.0, 7.0]]]), values=np.append(values, 1e9))
    out = report(capsys, plane, "--name", "flow", "--against", tmp_path / "dense.npz")
    assert float(shown(out, "relative error")) < 0.05
    assert shown(out, "fitted") == "100 %"
    few = points[:6000]  # many of the 1,600 cells have none or few
    np.savez(tmp_path / "few.npz", points=few, values=values[:6000])
    out = report(capsys, plane, "--name", "flow", "--against", tmp_path / "few.npz")
    assert float(shown(out, "relative error")) < 0.15
    assert "\n  noise " not in out  # the steps between nearest values are none
    noisy = values + 0.3 * np.random.default_rng(1).standard_normal(len(values))
    np.savez(tmp_path / "noisy.npz", points=few, values=noisy[:6000])
    out = report(capsys, plane, "--name", "flow", "--against", tmp_path / "noisy.npz")
    assert 0.0 < float(shown(out, "noise")) < 0.45


def test_pictures_of_the_newest_of_several_runs_lie_beside_its_record(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = line / "seqfit", line / "seqfit" / "run_1"
    second.mkdir()
    shutil.copy(first / "probe.npz", second / "probe.npz")
    for old in first.glob("*.png"):
        old.unlink()
    with pytest.warns(UserWarning, match="2 runs in .*: run_1, the newest, is loaded"):
        out = report(capsys, line)
    assert f"pictures  {second / 'probe_*.png'}" in out
    assert not list(first.glob("*.png"))
    assert (second / "probe_2_fit.png").is_file()


def test_cells_without_a_point_of_the_file_are_said(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.linspace(0.0, 1.0, 200)
    np.savez(tmp_path / "few.npz", points=x, values=sine(x))
    out = report(capsys, line, "--against", tmp_path / "few.npz")
    assert "note  points: 312 of 512 recorded cells hold none of the file's points: the nearest counts there" in out


class TestRefusals:
    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(["report", *map(str, arguments)])
        assert stopped.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    def test_no_record(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "it holds no record" in self.refused(capsys, tmp_path)

    def test_another_name(self, plane: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "there are records of: flow" in self.refused(capsys, plane, "--name", "pressure")

    @pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
    def test_times_that_are_none(self, seconds: str, line: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "give seconds above 0" in self.refused(capsys, line, "--live", seconds)

    def test_a_record_that_is_cut_off(self, line: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = line / "seqfit" / "probe.npz"
        file.write_bytes(file.read_bytes()[:1000])
        assert f"{file} is no whole record" in self.refused(capsys, line)

    def test_a_remote_record_without_a_place_for_its_page(self, line: Path, capsys: pytest.CaptureFixture[str]) -> None:
        store = fsspec.filesystem("memory")
        store.put(str(line / "seqfit"), "/runs/far/seqfit", recursive=True)
        try:
            assert "say with --output where the page goes" in self.refused(capsys, "memory://runs/far")
        finally:
            store.rm("/runs", recursive=True)

    def test_no_such_file(self, line: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "there is no such file; give one of values" in self.refused(capsys, line, "--against", "nowhere.npy")

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("it.txt", "1", "it ends in '.txt'; give .npy"),
            ("it.npy", "no array", "it cannot be read"),
            ("it.csv", "x,u\n0.1,0.2\n0.3,oops\n", "row 2 of its numbers is '0.3,oops', not 2 numbers"),
            ("it.csv", "x,u\n", "it has no row of numbers"),
            ("it.csv", "x,y,u\n0.1,0.2,3\n", "points of shape (1, 2) and 1 values; the record has the axes x: give 1"),
            ("it.csv", "x,u\n5.1,0.2\n", "none of its 1 points lies within the record's bounds"),
            ("it.csv", "x,u\nnan,0.2\n", "coordinates that are NaN or infinite"),
            ("it.csv", "u\n1\n2\n", "shape (2,), expected (512,)"),
        ],
    )
    def test_files_that_do_not_fit(
        self, name: str, content: str, said: str, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / name).write_text(content)
        assert said in self.refused(capsys, line, "--against", tmp_path / name)

    def test_archives_of_several_arrays(self, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.savez(tmp_path / "it.npz", u=np.zeros(3), v=np.zeros(3))
        said = self.refused(capsys, line, "--against", tmp_path / "it.npz")
        assert "it holds the arrays u, v; give .npy: the values; .npz: one array of values, or `points`" in said

    def test_points_that_are_none(self, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.savez(tmp_path / "it.npz", points=np.zeros((0, 1)), values=np.zeros(0))
        said = self.refused(capsys, line, "--against", tmp_path / "it.npz")
        assert "it has points of shape (0, 1) and 0 values; the record has the axes x: give 1 coordinate" in said

    def test_numbers_that_are_not_real(self, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        np.save(tmp_path / "it.npy", np.zeros(512, dtype=complex))
        assert "complex128, no real numbers" in self.refused(capsys, line, "--against", tmp_path / "it.npy")

    def test_a_folder_that_takes_no_pictures(
        self, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file").write_text("")
        assert "give another place with --output" in self.refused(capsys, line, "--output", tmp_path / "file" / "in")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.finfo(np.float64).max])
def test_values_that_nobody_has_measured_are_shown_or_named(
    line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    file = tmp_path / "odd" / "probe.npz"
    file.parent.mkdir()
    with np.load(next(line.rglob("*.npz"))) as archive:
        arrays = dict(archive)
    arrays["scalars"] = np.where(np.char.startswith(arrays["tags"], "stall/verdict"), arrays["scalars"], value)
    np.savez(file, **arrays)
    main(["report", str(line), str(file), "-o", str(tmp_path / "page.html")])
    assert (tmp_path / "page.html").exists()
    with contextlib.suppress(SystemExit):  # refused, or shown
        main(["report", str(file), "-o", str(tmp_path / "alone.html")])
    refused = "take another copy of the record" in capsys.readouterr().err
    assert refused is not (tmp_path / "alone.html").exists()
    main(["compare", str(line), str(file)])
