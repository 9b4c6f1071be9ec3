"""The adapters, and what a probe says of modules that need one.

Stand-ins imitate the other libraries; the tests in tests/clients have the real ones.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.adapters import PINA, Dictionary, TorchPhysics, counts_late
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import Net, assert_complete, fit_shuffled, trainer, watched

BOX = [(0.0, 1.0), (0.0, 2.0)]


class LabelTensor(Tensor):
    """Stands in for PINA's."""

    __module__ = "pina.label_tensor"


class Points:
    """Stands in for those of TorchPhysics."""

    __module__ = "torchphysics.problem.spaces.points"

    def __init__(self, data: Tensor, space: Mapping[str, int]) -> None:
        assert data.shape[1] == sum(space.values())
        self.as_tensor, self.space = data, space


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    pina, torchphysics = ModuleType("pina"), ModuleType("torchphysics")
    pina.LabelTensor = LabelTensor  # type: ignore[attr-defined]
    torchphysics.spaces = SimpleNamespace(Points=Points)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pina", pina)
    monkeypatch.setitem(sys.modules, "torchphysics", torchphysics)


class Solver(nn.Module):
    """A solver of PINA that returns its coordinates in the order of its variables, with labels."""

    __module__ = "pina.solver"

    def __init__(self, variables: tuple[str, ...] | None = ("x", "t"), use_lt: bool = True) -> None:
        super().__init__()
        self.problem = SimpleNamespace(input_variables=variables and list(variables))
        self.use_lt = use_lt

    def forward(self, x: Tensor) -> Tensor:
        if self.use_lt:
            assert x.labels == self.problem.input_variables  # type: ignore[attr-defined]
        else:
            assert type(x) is Tensor
        return x * 1


class Ensemble(Solver):
    def __init__(self) -> None:
        super().__init__()
        self.models = nn.ModuleList([nn.Linear(2, 1) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.models])


class Network(nn.Module):
    def __init__(self, **space: int) -> None:
        super().__init__()
        self.input_space = space

    def forward(self, points: Points) -> Points:
        assert points.space is self.input_space
        return points


class PhysicsSolver(L.LightningModule):
    """A solver of TorchPhysics: it has no forward pass."""

    __module__ = "torchphysics.solver"

    def __init__(self, *networks: nn.Module | None) -> None:
        super().__init__()
        self.train_conditions = [
            SimpleNamespace(name=f"condition {number}", **({"module": network} if network else {}))
            for number, network in enumerate(networks)
        ]


def grid(axes: tuple[str, ...] = ("x", "t"), **options: Any) -> Probe:
    return Probe.grid(BOX[: len(axes)], 0.0, resolution=8, axes=axes, **options)


def look(module: Any, probe: Probe) -> np.ndarray[Any, Any]:
    return probe.observe(module, np.zeros(len(probe.geometry.points))).prediction


def along(probe: Probe, axis: str) -> np.ndarray[Any, Any]:
    return probe.geometry.points[:, list(probe.geometry.axes).index(axis)]


class TestPINA:
    @pytest.mark.parametrize("use_lt", [True, False])
    @pytest.mark.parametrize("axes", [("x", "t"), ("t", "x")])
    def test_each_variable_is_the_axis_of_its_name(self, axes: tuple[str, ...], use_lt: bool) -> None:
        for number, name in enumerate(("x", "t")):
            probe = grid(axes, predict=PINA(), output=number)
            np.testing.assert_allclose(look(Solver(use_lt=use_lt), probe), along(probe, name), rtol=1e-6)

    def test_a_single_variable_takes_whatever_the_axis_is_called(self) -> None:
        probe = grid(("x",), predict=PINA())
        np.testing.assert_allclose(look(Solver(("t",)), probe), along(probe, "x"), rtol=1e-6)

    def test_without_variables_the_points_go_in_as_they_are(self) -> None:
        probe = grid(predict=PINA(), output=1)
        np.testing.assert_allclose(look(Solver(None, use_lt=False), probe), along(probe, "t"), rtol=1e-6)

    def test_without_names_the_problems_own_order_holds(self) -> None:
        points = torch.rand(5, 2)
        returned = PINA()(Solver(), points)
        assert type(returned) is Tensor
        assert torch.equal(returned, points)

    def test_derivatives_by_the_points_go_through_it(self) -> None:
        points = torch.rand(5, 2, requires_grad=True)
        returned = PINA()(Solver(), points, ("t", "x"))
        (slopes,) = torch.autograd.grad(returned[:, 0].sum(), points)
        assert slopes.tolist() == [[0.0, 1.0]] * 5

    def test_of_an_ensemble_it_is_the_mean_or_a_member(self) -> None:
        ensemble, points = Ensemble(), torch.rand(5, 2)
        members = [network(points) for network in ensemble.models]
        torch.testing.assert_close(PINA()(ensemble, points), sum(members) / 3)
        for number, expected in enumerate(members):
            torch.testing.assert_close(PINA(member=number)(ensemble, points), expected)

    @pytest.mark.parametrize("member", [3, -1, True, "mean"])
    def test_a_member_that_is_not_there_is_refused(self, member: Any) -> None:
        with pytest.raises(
            ValueError, match=rf"member={member!r}, but Ensemble has 3 network.s.: give a number from 0"
        ):
            PINA(member=member)(Ensemble(), torch.rand(5, 2))

    @pytest.mark.parametrize(
        ("variables", "axes", "words"),
        [
            (
                ("x", "t"),
                ("x", "y"),
                "the module takes x, t, but the 2 axes of the probe are x, y: name each with axes=, such as "
                "axes=['x', 't'], in the order of the bounds",
            ),
            (
                ("x", "t", "mu"),
                ("x", "t"),
                "the 2 axes of the probe are x, t: give the probe one axis for each, or pass",
            ),
            (("x",), ("x", "t"), "the module takes x, but the 2 axes of the probe are x, t: give the probe one axis"),
        ],
    )
    def test_axes_that_are_not_the_variables_are_refused(self, variables: Any, axes: Any, words: str) -> None:
        with pytest.raises(ValueError, match=re.escape(words)):
            look(Solver(variables), grid(axes, predict=PINA()))

    def test_a_module_that_is_no_solver_is_refused(self) -> None:
        with pytest.raises(
            TypeError, match=r"PINA\(\) looks at a solver of pina, which has a \.problem; Linear has none"
        ):
            look(nn.Linear(2, 1), grid(predict=PINA()))


class TestTorchPhysics:
    @pytest.mark.parametrize("axes", [("x", "t"), ("t", "x")])
    def test_each_variable_is_the_axis_of_its_name(self, axes: tuple[str, ...]) -> None:
        for number, name in enumerate(("x", "t")):
            probe = grid(axes, predict=TorchPhysics(), output=number)
            np.testing.assert_allclose(look(PhysicsSolver(Network(x=1, t=1)), probe), along(probe, name), rtol=1e-6)

    def test_a_single_variable_takes_all_axes(self) -> None:
        probe = grid(("a", "b"), predict=TorchPhysics(), output=1)
        np.testing.assert_allclose(look(PhysicsSolver(Network(x=2)), probe), along(probe, "b"), rtol=1e-6)

    def test_the_variable_of_each_axis_can_be_said(self) -> None:
        points = torch.rand(5, 3)
        module = PhysicsSolver(Network(x=2, t=1))
        assert torch.equal(TorchPhysics()(module, points), points)
        returned = TorchPhysics(variables=["t", "x", "x"])(module, points, ("time", "x", "y"))
        assert torch.equal(returned, points[:, [1, 2, 0]])

    def test_axes_that_are_not_the_variables_are_refused(self) -> None:
        words = "the 3 axes of the probe are x, y, t: name each with variables=, such as variables=['x', 'x', 't'], in"
        with pytest.raises(ValueError, match=re.escape(words)):
            TorchPhysics()(PhysicsSolver(Network(x=2, t=1)), torch.rand(5, 3), ("x", "y", "t"))

    @pytest.mark.parametrize(
        ("sizes", "variables", "takes"),
        [
            ({"x": 2, "t": 1}, ["x", "t"], "x, x, t"),
            ({"x": 3}, ["q", "r"], "x, x, x"),
            ({"x": 3}, ["x", "x"], "x, x, x"),
        ],
    )
    def test_variables_that_are_not_the_modules_are_refused(
        self, sizes: dict[str, int], variables: list[str], takes: str
    ) -> None:
        words = f"variables={variables!r}, but the module takes {takes} and the probe has 3 axes: name the variable of"
        with pytest.raises(ValueError, match=re.escape(words)):
            TorchPhysics(variables=variables)(PhysicsSolver(Network(**sizes)), torch.rand(5, 3), ("x", "y", "t"))

    def test_of_several_networks_one_must_be_chosen(self) -> None:
        shared, other = Network(x=1), Network(x=1)
        points = torch.rand(5, 1)
        assert TorchPhysics()(PhysicsSolver(None, shared, shared), points) is not None
        module = PhysicsSolver(None, shared, other, shared)
        for condition in (None, 0, 4, -1):
            with pytest.raises(ValueError, match=r"with a network are 1 \('condition 1'\), 2 .*, 3 .*"):
                TorchPhysics(condition=condition)(module, points)
        for condition in (1, 2, 3):
            assert torch.equal(TorchPhysics(condition=condition)(module, points), points)
        with pytest.raises(ValueError, match="those with a network are none"):
            TorchPhysics()(PhysicsSolver(None), points)

    def test_a_module_that_is_no_solver_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"which has \.train_conditions; Linear has none"):
            look(nn.Linear(2, 1), grid(predict=TorchPhysics()))


class Fields(nn.Module):
    """Takes and returns dicts, by variable."""

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": given["x"] - given["t"], "v": torch.cat([given["x"], given["t"]], dim=1)}


class TestDictionary:
    def test_each_axis_is_an_entry_under_its_name(self) -> None:
        probe = grid(("t", "x"), predict=Dictionary(output="u"))
        np.testing.assert_allclose(look(Fields(), probe), along(probe, "x") - along(probe, "t"), atol=1e-6)
        probe = grid(("t", "x"), predict=Dictionary(output="v"), output=1)
        np.testing.assert_allclose(look(Fields(), probe), along(probe, "t"), atol=1e-6)

    def test_all_points_are_one_entry_and_a_single_output_needs_no_name(self) -> None:
        points = torch.rand(5, 2)
        assert Dictionary(input="coords")(lambda given: {"out": given["coords"]}, points) is points

    @pytest.mark.parametrize("output", [None, "w"])
    def test_an_entry_that_is_not_there_is_refused(self, output: str | None) -> None:
        with pytest.raises(ValueError, match=rf"output={output!r}, but Fields returned \['u', 'v'\]: give one of them"):
            look(Fields(), grid(predict=Dictionary(output=output)))

    def test_a_module_that_returns_no_dict_is_refused(self) -> None:
        class Half(nn.Module):
            def forward(self, given: dict[str, Tensor]) -> Tensor:
                return given["x"]

        with pytest.raises(
            TypeError, match=r"Half took \['t', 'x'\] and returned a tensor of shape \(64, 1\), not a dict"
        ):
            look(Half(), grid(predict=Dictionary()))

    def test_the_error_of_a_module_that_wants_other_entries_says_what_it_was_given(self) -> None:
        words = r"Fields took a dict of \['coords'\] and raised KeyError: 'x'. Name the entry of all points with input="
        with pytest.raises(RuntimeError, match=words):
            Dictionary(input="coords", output="u")(Fields(), torch.rand(5, 2), ("x", "t"))
        with pytest.raises(RuntimeError, match=r"Linear took a dict of \['x', 't'\]|\['t', 'x'\] and raised TypeError"):
            Dictionary()(nn.Linear(2, 1), torch.rand(5, 2), ("x", "t"))

    def test_without_names_it_needs_an_input(self) -> None:
        with pytest.raises(ValueError, match=r"names of the axes: give axes=, or input="):
            Dictionary(output="u")(Fields(), torch.rand(5, 2))


@pytest.mark.parametrize("predict", [PINA, PINA()], ids=["the class", "an instance"])
def test_a_probe_takes_the_class_as_well(predict: Any) -> None:
    probe = grid(predict=predict, output=1)
    np.testing.assert_allclose(look(Solver(), probe), along(probe, "t"), rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("lightning_seqfit.adapters.PINA", PINA()),
        ({"class_path": "lightning_seqfit.adapters.PINA", "init_args": {"member": 2}}, PINA(member=2)),
        ("lightning_seqfit.adapters.TorchPhysics", TorchPhysics()),
        (
            {"class_path": "lightning_seqfit.adapters.TorchPhysics", "init_args": {"variables": ["x", "t"]}},
            TorchPhysics(variables=["x", "t"]),
        ),
        (
            {"class_path": "lightning_seqfit.adapters.Dictionary", "init_args": {"input": "x", "output": "u"}},
            Dictionary(input="x", output="u"),
        ),
    ],
    ids=str,
)
def test_it_can_be_written_in_yaml_and_what_is_saved_loads_again(given: Any, expected: Any) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SequentialFitting, "callback")
    probe = {"class_path": "lightning_seqfit.Probe.grid", "init_args": {"bounds": BOX, "target": 0, "predict": given}}
    config = parser.parse_object({"callback": {"probe": probe}})
    for found in (config, parser.parse_string(parser.dump(config))):
        assert parser.instantiate(found).callback.probe.predict == expected


@pytest.mark.parametrize("adapter", [PINA(1), TorchPhysics(variables=("x",)), Dictionary("x", "u")], ids=repr)
def test_a_probe_with_one_goes_to_another_process(adapter: Any) -> None:
    assert pickle.loads(pickle.dumps(grid(predict=adapter))).predict == adapter


class Returns(nn.Module):
    """Any module of somebody's own."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> Any:
        return self.output


class Raises(nn.Module):
    def forward(self, x: Any) -> Any:
        return x["coords"]


class Own(PhysicsSolver):
    """Somebody's own class, made from a solver of TorchPhysics."""

    __module__ = "train"


class Labels(Solver):
    def forward(self, x: Any) -> Any:
        return x.extract(self.problem.input_variables)


FOUR = torch.zeros(4, 64, 1)
REFUSED: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "PINA, called with a tensor": (
        Labels(),
        None,
        RuntimeError,
        "the module raised AttributeError: 'Tensor' object has no attribute 'extract'; it was called with a tensor of "
        "shape (64, 2), dtype torch.float32. Where it takes something else, pass "
        "predict=lightning_seqfit.adapters.PINA()",
    ),
    "TorchPhysics, called with a tensor": (
        Own(),
        None,
        RuntimeError,
        "it was called with a tensor of shape (64, 2), dtype torch.float32. Where it takes something else, pass "
        "predict=lightning_seqfit.adapters.TorchPhysics()",
    ),
    "any other module": (
        Raises(),
        None,
        RuntimeError,
        "it was called with a tensor of shape (64, 2), dtype torch.float32. Where it takes something else, pass "
        "predict=, a function (module, points) -> tensor; lightning_seqfit.adapters.Dictionary() is one for dicts",
    ),
    "an ensemble of PINA": (
        Ensemble(),
        lambda module, x: FOUR.as_subclass(LabelTensor),
        ValueError,
        "predict returned a LabelTensor of shape (4, 64, 1), expected a tensor of shape (64,) or (64, k) for points of "
        "shape (64, 2): pass predict=lightning_seqfit.adapters.PINA()",
    ),
    "what the adapter returns": (
        Solver(("x", "t")),
        type("Wrong", (PINA,), {"__call__": lambda *given: FOUR})(),
        ValueError,
        "predict returned a tensor of shape (4, 64, 1), expected a tensor of shape (64,) or (64, k) for points of "
        "shape (64, 2): pass predict=, a function (module, points) that returns one row per point",
    ),
    "Points": (
        Returns(Points(torch.zeros(64, 1), {"u": 1})),
        None,
        TypeError,
        "the module returned Points of shape (64, 1), expected a tensor of shape (64,) or (64, k) for points of shape "
        "(64, 2): pass predict=, a function (module, points) that takes the tensor out, such as "
        "module(points).as_tensor",
    ),
    "a dict": (
        Returns({"u": torch.zeros(64, 1), "v": 0}),
        None,
        TypeError,
        "the module returned dict with keys ['u', 'v'], expected a tensor of shape (64,) or (64, k) for points of "
        "shape (64, 2): pass predict=, a function (module, points) that takes one out, such as module(points)['u']; "
        "lightning_seqfit.adapters.Dictionary(output='u') is one for a module that takes a dict too",
    ),
    "a tuple": (
        Returns((torch.zeros(64, 1), None)),
        None,
        TypeError,
        "the module returned tuple, expected a tensor of shape (64,) or (64, k) for points of shape (64, 2): pass "
        "predict=, a function (module, points) that takes the tensor out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_with_what_came_and_what_would_do(case: str) -> None:
    module, predict, error, words = REFUSED[case]
    with pytest.raises(error, match=re.escape(words) + "$"):
        look(module, grid(predict=predict))


def test_it_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    class Both(Net):
        batches = 0

        def forward(self, x: Tensor) -> Any:
            return {"u": super().forward(x)}

        def on_train_batch_start(self, *args: Any) -> None:
            self.batches += 1

    module = Both()
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0))
    with pytest.raises(TypeError, match=r"returned dict with keys \['u'\].*Dictionary\(output='u'\)"):
        fit_shuffled(trainer(tmp_path, [watcher]), module)
    assert module.batches == 0


class CountsLate(Net):
    """Manual optimisation as PINA has it: optimizers past Lightning, and a count of its own after the callbacks."""

    __module__ = "pina.solver.mixin"

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizer = self.optimizers(use_pl_optimizer=False)
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()

    def on_train_batch_end(self, *args: Any) -> None:
        self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed += 1
        super().on_train_batch_end(*args)


def test_a_step_that_is_counted_after_us_is_looked_at_as_the_step_it_is(tmp_path: Path) -> None:
    class OneMore(CountsLate):  # made from a solver of PINA
        __module__ = "train"

    assert counts_late(OneMore())
    watched(OneMore, tmp_path, fit_shuffled)
    assert_complete(tmp_path / "watched")


def test_steps_of_other_modules_are_counted_in_time() -> None:
    class Manual(Net):
        automatic_optimization = False

    class Automatic(CountsLate):
        automatic_optimization = True

        def __init__(self) -> None:
            Net.__init__(self)

    assert not counts_late(Net())
    assert not counts_late(Manual())
    assert not counts_late(Automatic())
    assert not counts_late(nn.Linear(1, 1))
