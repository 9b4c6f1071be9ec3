"""The trial as a whole: what it names, what it refuses, that it keeps its budget and leaves nothing behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_seqfit import Probe, trial
from lightning_seqfit.planning import Recipe
from lightning_seqfit.trials import Attempt, Trial, trying, workers
from lightning_seqfit.trials.fitting import Fit
from lightning_seqfit.trials.task import Task
from lightning_seqfit.trials.workers import NO_TIME, Job, Workers


def wave(x: Tensor) -> Tensor:
    return torch.sin(12 * torch.pi * x[:, 0])


PROBE = Probe.grid([(0.0, 1.0)], wave, resolution=128)
HERE: dict[str, Any] = {"processes": 1, "progress": False}


@pytest.fixture(scope="module")
def found() -> Trial:
    return trial(PROBE, 60, seeds=2, **HERE)


def test_a_network_with_the_targets_frequency_comes_first_and_tanh_does_not(found: Trial) -> None:
    assert found.winner is not None
    assert found.winner.change["network"] in ("siren", "fourier")
    own = next(each for each in found.attempts if each.name == "as it is")
    assert not math.isfinite(own.reached)
    assert own.why.startswith("given up after")
    assert list(found.attempts) == sorted(found.attempts, key=lambda each: each.order)


def test_the_code_of_the_first_fits_within_the_steps_that_it_names(found: Trial) -> None:
    assert found.winner is not None
    pasted: dict[str, Any] = {}
    torch.manual_seed(7)
    exec(found.code(), pasted)
    points = torch.linspace(0.0, 1.0, 100)[:, None]
    for _ in range(math.ceil(1.5 * found.winner.reached)):
        pasted["optimizer"].zero_grad()
        (pasted["network"](points)[:, 0] - wave(points)).square().mean().backward()
        pasted["optimizer"].step()
    between = points[:-1] + 0.005
    error = (pasted["network"](between)[:, 0] - wave(between)).square().mean() / wave(between).square().mean()
    assert error.sqrt().item() < 0.25


def test_it_says_what_it_cannot_say(found: Trial) -> None:
    assert found.notes[0].startswith("this is a regression on the target")
    assert "necessary" in found.notes[0]
    assert any(note.startswith("trained on 64 of the 128 points") for note in found.notes)
    assert found.code() in str(found)


def test_steps_are_the_same_again(found: Trial) -> None:
    again = trial(PROBE, 60, seeds=2, **HERE)
    assert [(each.name, each.steps, each.taken) for each in again.attempts] == [
        (each.name, each.steps, each.taken) for each in found.attempts
    ]


def test_json_can_hold_it(found: Trial) -> None:
    held = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert held["winner"] == found.attempts[0].name
    assert held["attempts"][-1]["steps"] == [None, None]
    assert held["code"] == found.code()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"budget_s": 1}, ValueError, "give at least 5"),
        ({"budget_s": math.nan}, ValueError, "give at least 5"),
        ({"seeds": 0}, ValueError, "from 1 to 20"),
        ({"processes": 0}, ValueError, "from 1 to 256"),
        ({"width": -3}, ValueError, "width=-3"),
        ({"width": 0}, ValueError, "width=0"),
        ({"source": "lightning_logs"}, TypeError, "load\\(run_dir\\)"),
        ({"source": Probe.grid([(0.0, 1.0)], 0.0)}, ValueError, "nothing to fit"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    options: dict[str, Any], error: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "Workers", None)
    with pytest.raises(error, match=match):
        trial(**{"source": PROBE, "progress": False, **options})


class Clock:
    """Time that passes only where something is trained: a second for each stretch, whatever it may take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pace: int) -> None:
        self.now, self.pace = 100.0, pace
        monkeypatch.setattr(workers.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(workers, "go_on", self.go_on)

    def go_on(self, fit: Fit, eye: Any, until: int, seconds: float) -> Fit:
        self.now += 1.0
        return replace(fit, step=min(fit.step + self.pace, until), fitted=0.0, error=1.0)


def test_fits_take_turns_and_say_where_the_budget_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, pace=20)
    jobs = [Job(number, Fit(Recipe(), number), 100) for number in range(5)]
    with Workers(Task.of(PROBE), 0, deadline=clock.now + 12.0) as there:
        fits = dict(there.run(jobs))
    assert clock.now == 112.0
    assert [fits[number].step for number in range(5)] == [60, 60, 40, 40, 40]
    assert [fits[number].why for number in range(5)] == [NO_TIME] * 5


@pytest.mark.parametrize("budget", [5, 30, 90])
def test_a_trial_ends_when_its_budget_does(monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    clock = Clock(monkeypatch, pace=20)
    found = trial(PROBE, budget, **HERE)
    assert clock.now - 100.0 <= budget
    assert found.winner is None
    assert "none of them is 98 % fitted" in str(found)
    tried = [each for each in found.attempts if each.steps]
    assert sum(sum(each.taken) for each in tried) == 20 * (clock.now - 100.0)
    untried = [each.why for each in found.attempts if not each.steps]
    assert all(why == "not tried: the budget ended" for why in untried)
    assert (budget == 5) == bool(untried)


def test_one_seed_of_two_is_no_winner() -> None:
    lucky = Attempt("lucky", steps=(50, math.inf), seconds=(1.0, math.inf), fitted=(1.0,), error=(0.1,), taken=(54, 0))
    found = Trial.of([lucky])
    assert found.winner is None
    assert str(found).endswith("nearest came lucky: 100 % fitted, error 0.1, with one seed and not with another")
    assert str(Trial.of([Attempt("late", why="not tried: the budget ended")])).endswith("none of them was tried")


class Dying:
    """A process that ends when it is asked for the second time."""

    def __init__(self, packed: bytes) -> None:
        self.asked = 0

    def start(self) -> None: ...

    def ask(self, fit: Fit, until: int, seconds: float) -> Fit:
        time.sleep(0.05)
        self.asked += 1
        if self.asked == 2:
            raise EOFError
        return replace(fit, step=until, fitted=1.0, error=0.0)

    def status(self) -> int:
        return -9

    def kill(self) -> None: ...

    close = kill


def test_a_process_that_dies_takes_one_fit_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_Process", Dying)
    slow = lambda fit, eye, until, seconds: (time.sleep(0.3), replace(fit, step=until))[1]  # noqa: E731
    monkeypatch.setattr(workers, "go_on", slow)
    jobs = [Job(number, Fit(Recipe(), number), 100) for number in range(6)]
    with Workers(Task.of(PROBE), 1, time.monotonic() + 60) as there:
        fits = dict(there.run(jobs))
    whys = [fit.why for fit in fits.values()]
    assert sorted(fits) == [0, 1, 2, 3, 4, 5]
    assert sum("exit status -9" in why for why in whys) == 1
    assert whys.count("") == 5


SCRIPT = """
import signal
import sys
import numpy as np
from lightning_seqfit import Probe, trial

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
print("the script runs", flush=True)
x = np.linspace(0, 1, 400)
found = trial(Probe.points(x, np.abs(np.sin(40 * x)) * np.sin(300 * x)), float(sys.argv[1]), processes=3)
print(found.winner.name if found.winner else None)
"""


def workers_of(process: int) -> list[int]:
    """Processes that a process has started."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in listed.splitlines()[1:])
    return [int(pid) for pid, parent in pairs if int(parent) == process]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_script_without_a_guard_runs_once_and_leaves_no_process(tmp_path: Path, interrupted: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), "120" if interrupted else "12"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        until = time.monotonic() + 60.0
        while len(seen := workers_of(process.pid)) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        if interrupted:
            time.sleep(1.0)
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=90)
    assert len(seen) == 2
    assert not any(map(alive, seen))
    assert out.count("the script runs") == 1
    assert (process.returncode != 0) == interrupted
    assert ("KeyboardInterrupt" in err) == interrupted
    assert sorted(each.name for each in tmp_path.iterdir()) == ["script.py"]


@pytest.mark.slow
def test_processes_reach_the_steps_that_one_does() -> None:
    alone, three = (trial(PROBE, 60, processes=count, progress=False) for count in (1, 3))
    assert {each.name: each.steps for each in alone.attempts} == {each.name: each.steps for each in three.attempts}
    np.testing.assert_array_equal(*([each.error for each in found.attempts[:1]] for found in (alone, three)))
