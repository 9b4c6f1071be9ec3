"""Every snippet of docs/howto/data.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from typing import Any

import lightning as L
import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe, load
from lightning_seqfit.cli import main
from tests.docs.modules import Trains, fit
from tests.pages import ROOT, read, run, snippets

PAGE = read("docs/howto/data.md")

#: Section, language and number of its snippets: one that is added needs a test here.
SNIPPETS = {
    ("A dataset", "python"): 1,
    ("Held-out data", "python"): 1,
    ("Points anywhere", "python"): 1,
    ("An image", "python"): 2,
    ("A domain that is no box", "python"): 1,
    ("More than three inputs", "python"): 2,
    ("No known solution", "python"): 2,
    ("No known solution", "sh"): 1,
    ("How exact it is", "sh"): 1,
    ("What it costs", "sh"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def record(probe: Probe, module: L.LightningModule) -> Any:
    return load(fit(module, probe).log_dir)


def trained(names: dict[str, Any], module: L.LightningModule) -> Any:
    names["trainer"].fit(module)
    return names["trainer"].log_dir


def test_a_dataset_is_its_own_target_and_every_measure_reads_it() -> None:
    names = run(PAGE, "A dataset")
    points, field = names["points"], names["field"]
    module = Trains()
    seen = load(trained(names, module))
    assert seen.steps[-1] == 6
    np.testing.assert_array_equal(names["probe"].geometry.asked, points.double().numpy())
    assert seen.scalars["oscillations/target"][-1] == pytest.approx(28, abs=1)  # 4 half waves times 7 lobes
    with torch.no_grad():
        largest = (module(points)[:, 0] - field(points)).abs().max().item()
    assert largest >= seen.scalars["error/max"][-1] >= 0.95 * largest  # cells have the points nearest to them
    assert {"front/depth/y_max", "fourier/relative_error/2-4", "basis/projection_error"} <= set(seen.scalars)


def test_held_out_data_are_a_second_probe_at_other_points() -> None:
    names = run(PAGE, "Held-out data")
    folder = trained(names, Trains())
    seen, held_out = load(folder), load(folder, "held_out")
    asked = [tuple(names[name].geometry.asked[0]) for name in ("trained", "held_out")]
    assert [len(names[name].geometry.asked) for name in ("trained", "held_out")] == [4_000, 1_000]
    assert asked[0] != asked[1]
    assert seen.steps.tolist() == held_out.steps.tolist()


def test_points_anywhere_are_laid_and_named() -> None:
    names = run(PAGE, "Points anywhere", 0)
    seen = record(names["probe"], Trains())
    assert (seen.kind, seen.axes, seen.quantity) == ("points", ("east", "north"), "elevation (m)")
    assert any(note.startswith("points: 5,000 points are laid on 96 x 96 cells") for note in seen.notes)


def test_a_cluster_of_most_points_hides_nothing() -> None:
    names = run(PAGE, "Points anywhere", 0)
    points = torch.cat([names["points"][:2_000], (0.5 + 0.02 * torch.randn(20_000, 2)).clamp(0, 1)])
    assert Probe.points(points, names["field"](points)).geometry.covered > 0.99
    alone = torch.cat([0.2 + 0.02 * torch.randn(5_000, 2), torch.tensor([[0.9, 0.9]])])
    assert Probe.points(alone, names["field"](alone)).geometry.covered < 0.05


def test_of_duplicates_all_count_along_a_line_and_one_in_the_plane() -> None:
    x = (torch.arange(40.0) + 0.5) / 40
    values = torch.cat([torch.sin(9 * x), torch.sin(9 * x) + 2])
    line = Probe.points(x.repeat(2), values)
    assert line.geometry.mean(values.double().numpy()) == pytest.approx(float(torch.sin(9 * x).mean()) + 1)
    places = torch.cartesian_prod(x, x)
    lower = torch.sin(9 * places[:, 0]).double()
    order = torch.randperm(2 * len(places), generator=torch.Generator().manual_seed(0))
    plane = Probe.points(places.repeat(2, 1)[order], torch.cat([lower, lower + 0.2])[order])
    target, _ = plane.read_target(nn.Linear(2, 1).double())
    above = target - lower.numpy()
    assert len(above) == 1600
    assert set(above.round(6)) == {0.0, 0.2}
    assert np.mean(above) == pytest.approx(0.1, abs=0.01)


def test_too_few_points_are_said_or_refused_as_the_page_says() -> None:
    def lobes(places: Tensor) -> Tensor:
        return torch.sin(8 * torch.pi * places).prod(dim=1)  # 64

    for count, words in ((64 * 40, ""), (64 * 5, "its lobes cannot be counted reliably, which takes 10 each")):
        points = torch.rand(count, 2)
        probe = Probe.points(points, lobes(points))
        probe.read_target(nn.Linear(2, 1))
        assert words in "".join(probe.notes)
        assert bool(words) == bool(probe.notes)
    with pytest.raises(ValueError, match="as of white noise"):
        Probe.points(points, torch.randn(count)).read_target(nn.Linear(2, 1))
    for fewest, dimension in ((16, 2), (4, 1)):
        Probe.points(torch.rand(fewest, dimension), 0.0)
        with pytest.raises(ValueError, match=f"at least {fewest}"):
            Probe.points(torch.rand(fewest - 1, dimension), 0.0)


def test_an_image_is_one_probe_and_so_are_some_of_its_pixels() -> None:
    whole, some = run(PAGE, "An image", 0)["probe"], run(PAGE, "An image", 0, 1)["probe"]
    image = run(PAGE, "An image", 0)["image"]
    for probe in (whole, some):
        seen = record(probe, Trains(outputs=3))
        assert seen.components is not None
        assert seen.components.target.shape[0] == 3
        assert probe.geometry.shape == (85, 100)
    left, _ = whole.read_target(nn.Linear(2, 3))
    np.testing.assert_allclose(left.reshape(image.shape), image.numpy(), rtol=0, atol=1e-12)
    assert whole.geometry.points[1].tolist() == pytest.approx([-0.84, -0.97])  # the second index goes along y
    with pytest.raises(ValueError, match=r"pass np\.moveaxis\(target, 0, -1\)"):
        Probe.grid([(0, 1)] * 2, np.zeros((3, 85, 100)), resolution=(85, 100), output="norm")


def test_an_image_of_rows_from_the_top_is_turned_as_the_page_says() -> None:
    (turned,) = re.findall(r"`(image\[.*?\)`) \(numpy\)".replace("`)", ")`"), PAGE)
    rows = np.array([["top left", "top right"], ["bottom left", "bottom right"]])
    seen = eval(turned, {"image": rows})
    assert (seen[0, 0], seen[1, 0], seen[0, 1]) == ("bottom left", "bottom right", "top left")


def test_a_domain_that_is_no_box_has_an_edge_of_its_own() -> None:
    names = run(PAGE, "A domain that is no box")
    probe = names["probe"]
    assert names["l_shape"](torch.tensor(probe.geometry.points)).all()
    seen = record(probe, Trains())
    assert {"front/depth/boundary", "front/depth/x_min"} <= set(seen.scalars)
    assert any("75.0% of the box is covered" in note for note in seen.notes)


def test_more_than_three_inputs_have_a_slice_with_all_that_they_lack() -> None:
    names = run(PAGE, "More than three inputs")
    folder = trained(names, Trains(inputs=5))
    whole, cut = load(folder), load(folder, "slice")
    for tag in ("error/relative_rmse", "error/noise", "front/fitted", "basis/projection_error"):
        assert tag in whole.scalars
    lines = {"front/depth/x_min", "oscillations/target", "fourier/front_frequency", "basis/median_laps"}
    assert not lines & {tag for tag, series in whole.scalars.items() if np.isfinite(series).any()}
    assert lines <= {tag for tag, series in cut.scalars.items() if np.isfinite(series).any()}
    assert sum("absent" in note for note in whole.notes) == 3


def test_without_a_target_a_run_is_read_against_one_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    _, after = snippets(PAGE)["No known solution", "python"]
    names = run(PAGE, "No known solution", 0)
    module = Trains()
    trained(names, module)
    exec(after, names)
    seen, known, own, field = (names[name] for name in ("run", "known", "own", "field"))
    assert not seen.known
    assert {"change/since_half", "change/moving", "change/since_last"} <= set(seen.scalars)
    assert not any(tag.startswith(("front/", "error/")) for tag in seen.scalars)
    assert len(seen.points) <= 4_096
    with torch.no_grad():
        points = torch.tensor(names["probe"].geometry.points, dtype=torch.float32)
        error = (module(points)[:, 0] - field(points)).double().numpy()
    spread = np.std(field(points).numpy())
    assert known.scalars["error/relative_rmse"][-1] == pytest.approx(np.sqrt(np.mean(error**2)) / spread, rel=0.03)
    assert own.final
    assert own.front.fitted[-1] == 1.0

    (commands,) = snippets(PAGE)["No known solution", "sh"]
    np.savetxt("solution.csv", np.column_stack([points, field(points)]), delimiter=",")
    for command, words in zip(commands.splitlines(), ("read against given values", "its own last"), strict=True):
        program, *arguments = shlex.split(command)
        assert program == "seqfit"
        main(arguments)
        assert words in capsys.readouterr().out


@pytest.mark.parametrize(("section", "tables", "rows"), [("How exact it is", 2, 5), ("What it costs", 1, 8)])
def test_the_tables_are_those_of_commands_that_exist(
    section: str, tables: int, rows: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = snippets(PAGE)[section, "sh"]
    python, script, *options = command.split()
    assert python == "python"
    text = PAGE[PAGE.index(f"## {section}") :].split("\n## ")[0]
    assert len(re.findall(r"^\| ", text, re.MULTILINE)) == tables * (1 + rows)
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    assert ended.value.code == 0
    helped = capsys.readouterr().out
    assert all(option in helped for option in options)


def test_the_picture_is_there_and_small() -> None:
    (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", PAGE)
    file = ROOT / "docs" / "howto" / picture
    assert file.stat().st_size < 120_000
    assert mpl.image.imread(file).shape[1] >= 720  # 4.8 inches at 150 dots
