"""What is read off a record, also off one of which nobody asked for a diagnosis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lightning_seqfit import Run, diagnose, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.diagnosis.reading import read
from tests.training import Net, loader, probe, trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    trains = trainer(folder, [SequentialFitting(probe())], max_steps=60, logger=False)
    trains.fit(Net(), loader())
    return load(folder)


def without_stall(run: Run) -> Run:
    scalars = {tag: run.scalars[tag] for tag in run.scalars if not tag.startswith(("stall/", "training/update"))}
    return replace(run, sections={**run.sections, "stall": None}, scalars=type(run.scalars)(scalars, "seqfit/"))


def test_a_look_is_chosen_by_its_number_also_from_the_end(run: Run) -> None:
    looks = len(run.steps)
    assert diagnose(run).step == diagnose(run, -1).step == diagnose(run, looks - 1).step == 60
    assert diagnose(run, 0).step == diagnose(run, -looks).step == 0


@pytest.mark.parametrize("at", [1000, -1000])
def test_a_look_that_is_not_there_is_refused(run: Run, at: int) -> None:
    with pytest.raises(ValueError, match=rf"at={at}: the run has {len(run.steps)} looks; give 0 to"):
        diagnose(run, at)


def test_what_is_no_number_is_refused(run: Run) -> None:
    with pytest.raises(TypeError, match="is no number of a look"):
        diagnose(run, "last")  # type: ignore[arg-type]


def test_a_record_without_one_is_read_by_what_it_has(run: Run) -> None:
    recorded, situation = read(run)
    made, without = read(without_stall(run))
    for name in ("step", "error", "fitted", "loss", "loss_ratio", "learning_rate", "best_error", "best_step", "looks"):
        np.testing.assert_allclose(getattr(made, name), getattr(recorded, name), err_msg=name)
    # on the cells of the record, which float32 has rounded
    np.testing.assert_allclose(made.mean_error, recorded.mean_error, atol=0.01)
    assert np.isnan(made.update).all()
    assert np.isnan(without.bound)
    assert without.first_error == situation.first_error
    assert diagnose(without_stall(run)).verdict is diagnose(run).verdict
    assert any("learning rate is too low" in each for each in diagnose(without_stall(run)).not_checked)


def test_a_record_without_a_front_says_what_to_attach(run: Run) -> None:
    with pytest.raises(ValueError, match=r"the record has no front.*attach SequentialFitting or StallDiagnosis"):
        diagnose(replace(run, sections={}))
