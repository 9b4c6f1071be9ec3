"""A fit that resumes goes on with its own record only; what cannot be gone on with is said once, and ends nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from tests.training import Net, due, fit, loader, probe, silent, trainer

# Lightning's words on what these tests do on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning"),
]


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: {})


class Deep(Net):
    """Two layers that may be the last one."""

    def __init__(self) -> None:
        super().__init__(lambda: torch.nn.Linear(16, 16))


def sine(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


def saved(folder: Path, watcher: Any, steps: int = 8) -> Path:
    trains = trainer(folder, [watcher], max_steps=steps, logger=False)
    fit(trains, Deep())
    trains.save_checkpoint(folder / "saved.ckpt")
    return folder / "saved.ckpt"


def resumed(folder: Path, watcher: Any, checkpoint: Path, steps: int = 16) -> tuple[L.Trainer, list[str]]:
    """The trainer afterwards, and what we warned of."""
    trains = trainer(folder, [watcher], max_steps=steps, logger=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trains.fit(Deep(), loader(), ckpt_path=checkpoint)
    return trains, [str(warning.message) for warning in caught if str(warning.message).startswith("seqfit")]


def points(count: int = 64, move: float = 0.0) -> Probe:
    x = (np.arange(count) + 0.5) / count
    x[20] += move
    return Probe.points(x, np.sin(6 * np.pi * x), bounds=[(0.0, 1.0)])


def disc(radius: float) -> Probe:
    return Probe.grid(
        [(-1.0, 1.0)] * 2,
        sine,
        resolution=64,
        inside=lambda x: (x**2).sum(1) < radius**2,
        predict=lambda module, x: module(x[:, :1]),
    )


def pair(factors: tuple[float, float], output: Any = "norm") -> Probe:
    """Two outputs, whose targets are so many times the sine."""
    return probe(
        target=lambda x: sine(x)[:, None] * torch.tensor(factors),
        predict=lambda module, x: module(x).repeat(1, 2),
        output=output,
    )


Watcher = Callable[[], Any]
FIRST: Watcher = lambda: SequentialFitting(probe())  # noqa: E731
LINE: Watcher = lambda: ErrorFront(points())  # noqa: E731
#: The first callback, the one that resumes, and what the warning says.
OTHERS: dict[str, tuple[Watcher, Watcher, str]] = {
    "resolution": (FIRST, lambda: SequentialFitting(probe(resolution=256)), r": resolution 512 -> 256; give"),
    "axes": (FIRST, lambda: SequentialFitting(probe(axes=["t"])), ": axes x -> t; give"),
    "bounds": (FIRST, lambda: SequentialFitting(probe(bounds=[(0.0, 0.5)])), r": bounds \(0, 1\) -> \(0, 0.5\); give"),
    "target": (
        FIRST,
        lambda: SequentialFitting(probe(target=lambda x: 10 * sine(x))),
        r": target -?0.99\d+ -> -?9.99\d+, at 0.\d+; give",
    ),
    "tolerance": (FIRST, lambda: SequentialFitting(probe(), tolerance=0.1), ": tolerance 0.25 -> 0.1; give"),
    "layer": (FIRST, lambda: SequentialFitting(probe(), layer="middle"), ": layer None -> middle; give"),
    "all at once": (
        FIRST,
        lambda: SequentialFitting(probe(resolution=256, bounds=[(0.0, 0.5)]), tolerance=0.1),
        r": bounds \(0, 1\) -> \(0, 0.5\); resolution 512 -> 256; tolerance 0.25 -> 0.1; give",
    ),
    "dimensions": (
        FIRST,
        lambda: SequentialFitting(
            probe(bounds=[(0, 1), (0, 2)], resolution=(40, 20), predict=lambda module, x: module(x[:, :1]))
        ),
        r": axes x -> x, y; bounds \(0, 1\) -> \(0, 1\) x \(0, 2\); resolution 512 -> 40 x 20; give",
    ),
    "points in place of a grid": (FIRST, LINE, ": resolution 512 -> points 64; give"),
    "a grid in place of points": (LINE, FIRST, ": points 64 -> resolution 512; give"),
    "number of points": (LINE, lambda: ErrorFront(points(70)), ": points 64 -> 70; give"),
    "a domain in the same box": (
        lambda: ErrorFront(disc(0.9)),
        lambda: ErrorFront(disc(0.7)),
        r": covered cells 26\d\d -> 15\d\d; give",
    ),
    "a point": (LINE, lambda: ErrorFront(points(move=1e-3)), r": points 0.320\d+ -> 0.321\d+, the one that moved"),
    "outputs of one length": (
        lambda: SequentialFitting(pair((1.0, 2.0))),
        lambda: SequentialFitting(pair((2.0, 1.0))),
        r": target \(-?0.99\d+, -?1.99\d+\) -> \(-?1.99\d+, -?0.99\d+\), at 0.\d+; give",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_probe_is_said_with_both_values_and_begins_a_record_of_its_own(case: str, tmp_path: Path) -> None:
    before, after, match = OTHERS[case]
    checkpoint = saved(tmp_path, before())
    trains, said = resumed(tmp_path, after(), checkpoint)
    assert len(said) == 1
    with pytest.warns(UserWarning, match="the record of the probe begins anew.*it was of another probe" + match):
        warnings.warn(said[0], stacklevel=1)
    assert trains.global_step == 16
    assert load(tmp_path / "seqfit" / "probe.npz").steps.tolist() == due(range(1, 9))
    own = load(tmp_path / "seqfit" / "run_1")
    assert own.steps.tolist() == [8, 11, 15, 16]
    assert set(own.fit) == {0}
    assert np.isfinite(own.scalars["error/relative_rmse"]).all()


@pytest.mark.parametrize(("after", "said"), [("norm", "output 0 -> norm"), (1, "output 0 -> 1")])
def test_none_of_a_list_of_outputs_that_goes_on_is_said(after: int | str, said: str, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, ErrorFront(pair((1.0, 2.0), output=[0])))
    _, words = resumed(tmp_path / "other", ErrorFront(pair((1.0, 2.0), output=after)), checkpoint)
    assert len(words) == 1
    assert f"begins anew and does not go on with the one before: it was of another probe: {said}; give" in words[0]
    assert load(tmp_path / "other").steps.tolist() == [8, 11, 15, 16]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FIRST, lambda: SequentialFitting(probe(target=lambda x: sine(x) * (1 + 2e-5)))),
        (LINE, lambda: ErrorFront(points(move=2e-6))),
        (FIRST, lambda: ErrorFront(probe())),
        (lambda: ErrorFront(probe()), FIRST),
        (FIRST, lambda: SequentialFitting(probe(quantity="u (V)"), every_n_steps=5)),
    ],
    ids=["rounding of the target", "rounding of a point", "fewer diagnostics", "more diagnostics", "words and cadence"],
)
def test_the_same_probe_goes_on_without_a_word(before: Watcher, after: Watcher, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, before())
    _, said = resumed(tmp_path, after(), checkpoint)
    assert said == []
    assert load(tmp_path).steps.tolist()[:7] == due(range(1, 9))
    assert load(tmp_path).steps[-1] == 16


def state_of(checkpoint: Path) -> tuple[dict[str, Any], Any]:
    content = torch.load(checkpoint, weights_only=True)
    (key,) = (key for key in content["callbacks"] if key.startswith("seqfit."))
    return content, content["callbacks"][key]


def with_state(checkpoint: Path, change: Callable[[Any], Any]) -> Path:
    """A checkpoint whose state of ours is another."""
    content, state = state_of(checkpoint)
    (key,) = (key for key in content["callbacks"] if key.startswith("seqfit."))
    content["callbacks"][key] = change(state)
    changed = checkpoint.with_name("changed.ckpt")
    torch.save(content, changed)
    return changed


KEYS = ["version", "fit", "offset", "last_step", "scale", "record", "diagnostics", "notes", "lineage", "probe"]


def without(*path: str) -> Callable[[Any], Any]:
    def change(state: Any) -> Any:
        holder = state
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        return state

    return change


def put(value: Any, *path: str) -> Callable[[Any], Any]:
    def change(state: Any) -> Any:
        holder = state
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        return state

    return change


DAMAGES: dict[str, Callable[[Any], Any]] = {
    "a version to come": lambda state: {"version": 3, "looks": []},
    "a list": lambda state: [state],
    "nothing": lambda state: {},
    **{f"without {key}": without(key) for key in KEYS},
    **{f"a text for {key}": put("damaged", key) for key in [*KEYS, "latest"]},
    "a column less": without("record", "columns", "steps"),
    "a short column": lambda state: put(state["record"]["columns"]["steps"][:-1], "record", "columns", "steps")(state),
    "a column of texts": put(["0", "1"], "record", "columns", "steps"),
    "steps with fractions": put(torch.arange(7.0), "record", "columns", "steps"),
    "no stride": put(0, "record", "stride"),
    "a history less": without("diagnostics", "front", "arrival"),
    "a text for a history": put("damaged", "diagnostics", "front", "arrival"),
    "a history of another length": put(torch.zeros(7), "diagnostics", "front", "settled"),
    "snapshots of another kind": put([1, 2], "diagnostics", "basis", "snapshots"),
    "a probe without axes": without("probe", "axes"),
    "points elsewhere": put(torch.zeros(3, 1), "probe", "points"),
    "bounds of texts": put([["a", "b"]], "probe", "bounds"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_is_damaged_is_said_once_and_ends_nothing(damage: str, tmp_path: Path) -> None:
    checkpoint = with_state(saved(tmp_path, FIRST()), DAMAGES[damage])
    trains, said = resumed(tmp_path, FIRST(), checkpoint)
    assert len(said) == 1
    assert "the record of the probe begins anew and does not go on with the one before" in said[0]
    assert trains.global_step == 16
    assert load(tmp_path / "seqfit" / "run_1").steps.tolist() == [8, 11, 15, 16]
    assert load(tmp_path / "seqfit" / "probe.npz").steps[-1] == 8


def as_version_1(state: Any) -> Any:
    old = {key: value for key, value in state.items() if key not in ("notes", "lineage", "probe")}
    return {**old, "version": 1, "off": {"oscillations": "ZeroDivisionError: no laps"}}


def test_a_state_of_version_1_is_gone_on_with_where_it_fits(tmp_path: Path) -> None:
    checkpoint = with_state(saved(tmp_path, FIRST()), as_version_1)
    _, said = resumed(tmp_path, FIRST(), checkpoint)
    assert said == []
    run = load(tmp_path / "seqfit" / "run_1")  # whose file the old one is cannot be told
    assert run.steps.tolist() == due(range(1, 17))
    assert "oscillations: ZeroDivisionError: no laps" in run.notes
    _, said = resumed(tmp_path, SequentialFitting(probe(resolution=256)), checkpoint)
    assert len(said) == 1
    assert "cells 512 -> 256" in said[0]


def test_a_probe_that_is_another_after_nothing_was_left_to_train_is_noticed(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, FIRST())
    trains = trainer(tmp_path, [SequentialFitting(probe(resolution=256))], max_steps=8, logger=False)
    net = Deep()
    with silent():
        trains.fit(net, loader(), ckpt_path=checkpoint)
    trains.fit_loop.epoch_loop.max_steps = 12
    with pytest.warns(UserWarning, match="resolution 512 -> 256"):
        trains.fit(net, loader())
    assert load(tmp_path / "seqfit" / "run_1").steps.tolist() == [8, 11, 12]


def test_what_was_said_of_the_fits_before_stays_in_the_record_once(tmp_path: Path) -> None:
    class Breaking:
        """Infinite for a while, then another shape."""

        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, module: Any, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return module(x) / (0.0 if self.calls == 4 else 1.0)

    with pytest.warns(UserWarning, match="NaN or infinite"):
        checkpoint = saved(tmp_path, SequentialFitting(probe(predict=Breaking())))
    (note,) = (note for note in load(tmp_path).notes if note.startswith("finite"))
    trains, said = resumed(tmp_path, FIRST(), checkpoint)
    assert said == []
    trains.save_checkpoint(tmp_path / "later.ckpt")
    resumed(tmp_path, FIRST(), tmp_path / "later.ckpt", steps=20)
    notes = load(tmp_path).notes
    assert load(tmp_path).steps[-1] == 20
    assert notes.count(note) == 1
    assert len(set(notes)) == len(notes)


def test_two_fits_of_a_module_keep_what_was_said_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lightning_seqfit.diagnostics.oscillations as module

    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("no laps")

    watcher, net = FIRST(), Deep()
    trains = trainer(tmp_path, [watcher], max_steps=5, logger=False)
    with monkeypatch.context() as patch:
        patch.setattr(module, "count_oscillations", broken)
        with pytest.warns(UserWarning, match="no laps"):
            fit(trains, net)
    trains.fit_loop.epoch_loop.max_steps = 9
    with silent():
        fit(trains, net)
    run = load(tmp_path)
    assert run.fit.max() == 1
    assert "oscillations: ZeroDivisionError: no laps" in run.notes
