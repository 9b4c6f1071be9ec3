"""The demos as a person runs them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lightning_seqfit import load
from lightning_seqfit.cli import main
from lightning_seqfit.demos.catalogue import DEMOS
from tests.training import FIGURES


def shown(text: str, label: str) -> str:
    """What the table says beside a label."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(label + " ")]
    return line.strip().removeprefix(label).strip()


def test_the_demo_prints_a_table_and_where_everything_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "--max-steps", "60", "--seed", "3", "--logdir", str(tmp_path)])
    out = capsys.readouterr().out
    run_dir = tmp_path / "sine-tanh" / "version_0"
    assert shown(out, "step") == "60"
    assert shown(out, "fitted") == "0 %"
    assert shown(out, "oscillations fitted") == "0 of 13"
    assert shown(out, "depth from x_min") == "0.00"
    assert shown(out, "sequentiality") == "not known yet"
    assert shown(out, "spectral order") == "none: one band"
    assert "spectrum to that" not in out
    assert shown(out, "overhead").endswith("%")
    assert str(run_dir / "seqfit") in out
    assert f"tensorboard --logdir {tmp_path}" in out
    assert load(run_dir).steps[-1] == 60
    assert {path.name for path in (run_dir / "seqfit").iterdir()} == {
        "probe.npz",
        *(f"probe_{name}.png" for name in FIGURES),
    }
    assert list(run_dir.glob("events.out.tfevents.*"))


def test_a_setup_says_how_alike_the_spectra_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "taper", "--taper", "0.1", "--network", "siren", "--max-steps", "2", "--logdir", str(tmp_path)])
    out = capsys.readouterr().out
    assert "taper-siren, seed 0" in out
    assert "spectrum to that of sin(26 pi x): 0.968" in out


def test_the_seed_decides_the_run(tmp_path: Path) -> None:
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        main(["demo", "siren", "--max-steps", "5", "--seed", seed, "--logdir", str(tmp_path / folder)])
    a, b, c = (load(tmp_path / folder / "sine-siren" / "version_0").prediction for folder in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_co2_is_shown_in_years_and_ppm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "co2", "--max-steps", "3", "--logdir", str(tmp_path)])
    run = load(tmp_path / "co2-tanh" / "version_0")
    assert run.axes == ("year",)
    assert run.bounds[0] == pytest.approx((1958 + 2 / 12, 2002.0))
    assert run.target.min() > 310
    assert run.target.max() < 380
    assert "of 44" in shown(capsys.readouterr().out, "oscillations fitted")


def test_elevation_is_shown_in_metres_over_30_by_32_kilometres(tmp_path: Path) -> None:
    main(["demo", "elevation", "--network", "fourier", "--max-steps", "2", "--logdir", str(tmp_path)])
    run = load(tmp_path / "elevation-fourier" / "version_0")
    assert run.axes == ("east", "north")
    assert np.ravel(run.bounds) == pytest.approx([0.0, 30.0, 0.0, 31.8], abs=0.3)
    assert 236 <= run.target.min() < run.target.max() <= 1_076
    assert run.oscillations is not None
    assert run.oscillations.target[-1] >= 10


def test_a_photograph_is_one_probe_of_three_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "photograph", "--max-steps", "2", "--logdir", str(tmp_path)])
    assert capsys.readouterr().out.count("photograph-tanh, seed 0:") == 1
    run = load(tmp_path / "photograph-tanh" / "version_0")
    assert run.bounds == ((-0.85, 0.85), (-1.0, 1.0))
    assert run.scalars["error/relative_rmse"][-1] > 0.8
    assert run.oscillations is not None
    assert run.oscillations.target[-1] > 40


@pytest.mark.parametrize("name", [name for name, demo in DEMOS.items() if demo.target])
def test_every_function_is_a_demo_for_every_network(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", name, "--network", "fourier", "--max-steps", "2", "--logdir", str(tmp_path)])
    run = load(tmp_path / f"{name}-fourier" / "version_0")
    assert run.bounds == DEMOS[name].bounds
    assert run.steps.tolist() == [0, 1, 2]
    label = "oscillations fitted" if len(run.axes) == 1 else "lobes fitted"
    assert run.oscillations is not None
    assert shown(capsys.readouterr().out, label).endswith(f"of {run.oscillations.target[-1]:g}")


@pytest.mark.parametrize(("name", "axes"), [("helmholtz", ("x",)), ("advection", ("x", "t")), ("l-shape", ("x", "y"))])
def test_a_demo_of_an_equation_shows_its_solution_and_its_residual(
    name: str, axes: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", name, "--max-steps", "5", "--logdir", str(tmp_path)])
    out = capsys.readouterr().out
    assert f"{name}-tanh, seed 0:" in out
    assert f"{name}-tanh, residual, seed 0:" in out
    solution, residual = (load(tmp_path / f"{name}-tanh" / "version_0", probe) for probe in ("", "residual"))
    assert solution.axes == residual.axes == axes
    assert np.ptp(solution.target) > 1.5
    assert not residual.target.any()
    assert residual.scalars["error/relative_rmse"][0] == 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "cosinus"], "invalid choice: 'cosinus'"),
        (["demo", "sine", "--taper", "0.1"], "--taper belongs to `seqfit demo taper`"),
        (["demo", "taper", "--taper", "0.7"], "'0.7' is no share: give a number above 0 and at most 0.5"),
        (["demo", "co2", "--optimizer", "soap"], "`seqfit demo co2` has --network tanh or siren, trained with Adam"),
        (["demo", "advection", "--network", "fourier"], "`seqfit demo advection` has --network tanh or siren"),
        (["claims", "--seeds", "0"], "'0' is no number"),
        (["demo", "--max-steps", "0"], "'0' is no number of steps: give a whole number of at least 1"),
        (["demo", "siren", "--network", "tanh"], "`seqfit demo siren` is a SIREN"),
        (["demo", "siren", "--weekly"], "--weekly belongs to `seqfit demo co2`, not to `seqfit demo siren`"),
        (["demo", "--network", "relu"], "invalid choice: 'relu'"),
        ([], 'expected "command" to be one of {demo,claims,stalls,diagnose,'),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "measure what the article claims"), (["claims"], "--seeds SEEDS")]
)
def test_help_comes_without_torch(arguments: list[str], words: str) -> None:
    script = f"""if True:
        import sys
        from lightning_seqfit.cli import main
        try:
            main({[*arguments, "--help"]})
        finally:
            assert not {{"torch", "lightning", "matplotlib", "scipy"}} & set(sys.modules)"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert words in said.stdout


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_looks_more_than_once_whatever_trains_it(name: str) -> None:
    for kind in itertools.product(DEMOS[name].networks, DEMOS[name].optimizers):
        steps, every_n_steps = DEMOS[name].pace(*kind)
        assert every_n_steps is None or 0 < every_n_steps < steps


@pytest.mark.slow
def test_a_tanh_network_fits_one_oscillation_after_another_from_both_ends(tmp_path: Path) -> None:
    main(["demo", "--seed", "3", "--logdir", str(tmp_path)])
    run = load(tmp_path / "sine-tanh" / "version_0")
    assert run.front is not None
    assert run.oscillations is not None
    assert run.front.sequentiality[-1] >= 0.6
    assert run.front.overall_inwardness[-1] >= 0.4
    assert run.oscillations.target[-1] == 13
    assert run.oscillations.fitted[-1] == 13
    halfway = int(np.argmax(run.front.fitted > 0.4))
    middle = np.abs(run.points[:, 0] - 0.5) < 0.1
    assert not (run.front.local_error[halfway][middle] < 0.25).any()  # the ends first


@pytest.mark.slow
def test_a_siren_fits_everywhere_at_once(tmp_path: Path) -> None:
    main(["demo", "siren", "--max-steps", "300", "--logdir", str(tmp_path)])
    run = load(tmp_path / "sine-siren" / "version_0")
    assert run.front is not None
    assert run.oscillations is not None
    assert run.steps.tolist() == list(range(301))
    assert run.front.sequentiality[-1] <= 0.2
    assert run.oscillations.missing[-1] == 0


@pytest.mark.slow
def test_in_the_plane_a_tanh_network_comes_from_the_faces_and_a_siren_from_everywhere(tmp_path: Path) -> None:
    main(["demo", "plane", "--max-steps", "3000", "--logdir", str(tmp_path)])
    main(["demo", "plane", "--network", "siren", "--logdir", str(tmp_path)])
    tanh, siren = (load(tmp_path / f"plane-{network}" / "version_0").front for network in ("tanh", "siren"))
    assert tanh is not None
    assert siren is not None
    assert tanh.fitted[-1] > 0.9
    assert siren.fitted[-1] > 0.9
    assert tanh.sequentiality[-1] >= 2 * siren.sequentiality[-1]
    assert min(tanh.inwardness["x_min"][-1], tanh.inwardness["x_max"][-1]) > 0.5


@pytest.mark.slow
def test_a_tanh_network_takes_the_trend_of_co2_and_none_of_its_cycles(tmp_path: Path) -> None:
    main(["demo", "co2", "--max-steps", "4000", "--logdir", str(tmp_path)])
    run = load(tmp_path / "co2-tanh" / "version_0")
    assert run.front is not None
    assert run.oscillations is not None
    error = np.mean((run.prediction[-1] - run.target) ** 2)
    assert 1 - error / np.var(run.target) > 0.98
    assert run.front.fitted[-1] < 0.1
    assert run.oscillations.fitted[-1] <= 2
    assert run.scalars["error/relative_rmse"][-1] > 0.7  # relative to what is left without the trend


@pytest.mark.slow
def test_a_siren_takes_the_cycles_of_co2_too(tmp_path: Path) -> None:
    main(["demo", "co2", "--network", "siren", "--logdir", str(tmp_path)])
    run = load(tmp_path / "co2-siren" / "version_0")
    assert run.oscillations is not None
    assert run.oscillations.fitted[-1] > 40


@pytest.mark.slow
def test_a_tanh_network_begins_with_the_lowland_and_has_no_valley_when_a_siren_has_them_all(tmp_path: Path) -> None:
    main(["demo", "elevation", "--max-steps", "600", "--logdir", str(tmp_path)])
    main(["demo", "elevation", "--network", "siren", "--max-steps", "200", "--logdir", str(tmp_path)])
    tanh, siren = (load(tmp_path / f"elevation-{network}" / "version_0") for network in ("tanh", "siren"))
    assert tanh.axes == ("east", "north")
    assert tanh.oscillations is not None
    assert siren.oscillations is not None
    lobes = tanh.oscillations.target[-1]
    assert tanh.oscillations.fitted[-1] <= 2
    assert siren.oscillations.fitted[-1] == lobes >= 10
    assert tanh.front is not None
    assert siren.front is not None
    assert tanh.front.fitted[-1] < 0.5
    assert siren.front.fitted[-1] > 0.95
    east = tanh.points[:, 0] > 20  # the lowland
    assert tanh.front.local_error[-1][east].mean() < tanh.front.local_error[-1][~east].mean()


@pytest.mark.slow
def test_a_tanh_network_has_the_uniform_and_no_eyes_when_a_siren_has_most_of_a_photograph(tmp_path: Path) -> None:
    main(["demo", "photograph", "--max-steps", "400", "--logdir", str(tmp_path)])
    main(["demo", "photograph", "--network", "siren", "--max-steps", "450", "--logdir", str(tmp_path)])
    tanh, siren = (load(tmp_path / f"photograph-{network}" / "version_0") for network in ("tanh", "siren"))
    assert tanh.front is not None
    assert siren.front is not None
    assert tanh.front.fitted[-1] < 0.3
    assert siren.front.fitted[-1] > 0.8
    assert tanh.oscillations is not None
    assert siren.oscillations is not None
    assert tanh.oscillations.fitted[-1] < 10
    assert siren.oscillations.fitted[-1] > 25
    x, y = tanh.points.T
    eyes, backdrop = (np.abs(x) < 0.25) & (np.abs(y - 0.4) < 0.1), (x > 0.55) & (y > 0)
    assert tanh.front.local_error[-1][eyes].mean() > 2 * tanh.front.local_error[-1][backdrop].mean()
