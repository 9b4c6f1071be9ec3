from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.diagnosis.diagnosis import Advice
from lightning_seqfit.forks.change import changes_of, read_changes
from tests.forks.modules import probe


def test_as_it_is_comes_first_and_the_same_change_counts_once() -> None:
    change = {"learning_rate": 1e-3}
    assert [each.settings for each in read_changes([change, {}, Advice("a", "b", "c", change)])] == [{}, change]


def test_advice_without_a_change_is_kept_with_its_reason() -> None:
    (_, stop) = read_changes(Advice("stop here: it is fitted", "", ""))
    assert (stop.name, stop.why) == ("stop here: it is fitted", "says nothing that a program can change")


def test_what_only_the_users_code_can_change_is_said_with_where() -> None:
    (_, change) = read_changes({"network": "siren", "resample": True, "data_weight": 100.0})
    assert change.why.endswith("where new points are drawn and the terms of the loss, in your own code")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 1e-3}, "'lr' is none of network, omega_0"),
        ({"network": "resnet"}, "network='resnet': use one of 'siren'"),
        ({"width": 0}, "width=0: give a whole number"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: give a positive"),
        ({"targets": [1.0, 0.0]}, "targets=.*: give a positive"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_before_anything_trains(change: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_changes([change])


def test_what_is_no_change_is_refused() -> None:
    with pytest.raises(TypeError, match="'siren' is no change"):
        read_changes("siren")


def test_without_changes_networks_for_the_targets_frequency_are_tried() -> None:
    siren, fourier, *_ = changes_of(probe().plan())  # 2 cycles: 1 for each unit of [-1, 1]
    assert siren["omega_0"] == pytest.approx(0.42 * 2 * math.pi, abs=0.01)
    assert fourier["sigma"] == pytest.approx(0.65)
    assert siren["inputs"] == "[-1, 1]"


def test_by_default_networks_in_the_plane_are_as_fast_as_the_wave_and_steps_of_a_rate_turn_a_phase_little() -> None:
    target = Probe.grid([(0.0, 1.0)] * 2, lambda x: torch.sin(12 * torch.pi * x).prod(dim=1))
    siren, fourier, *_ = changes_of(target.plan())  # 3 cycles a unit of [-1, 1] along both axes
    assert siren["omega_0"] == pytest.approx(0.42 * 2 * 2 * math.pi * 3 * math.sqrt(2), rel=0.01)
    assert siren["learning_rate"] * siren["omega_0"] == pytest.approx(0.08, rel=0.01)
    assert fourier["sigma"] == pytest.approx(0.65 * 3 * math.sqrt(2) / 2, rel=0.01)


def test_no_network_is_proposed_for_what_does_not_oscillate() -> None:
    changes = changes_of(Probe.grid([(0.0, 1.0)], lambda x: x[:, 0] ** 2).plan())
    assert [set(change) for change in changes] == [{"inputs"}, {"learning_rate_factor"}, {"learning_rate_factor"}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "tanh", "omega_0": 3.0}, "omega_0 is none of that network's"),
        ({"network": "siren", "sigma": 3.0}, "sigma is none of"),
        ({"network": "siren", "activation": "relu"}, "activation is none of"),
        ({"learning_rate": True}, "learning_rate=True: give a positive, finite number"),
        ({"width": True}, "width=True: give a whole number"),
        ({"targets": []}, "targets="),
    ],
)
def test_a_setting_that_would_do_nothing_or_is_no_number_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_changes(change)


def test_numbers_may_be_of_numpy_and_are_shown_as_those_of_python() -> None:
    (_, change) = read_changes({"width": np.int64(16), "learning_rate": np.float64(0.01), "targets": [np.float32(2.0)]})
    assert change.name == "width 16, learning rate 0.01, targets divided by 2"
    assert [type(value) for value in change.settings.values()] == [int, float, list]
    assert repr(change.settings["targets"]) == "[2.0]"
