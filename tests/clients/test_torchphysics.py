"""Under TorchPhysics: its own conditions, samplers and Solver, on ``pytorch_lightning``. Needs ``torchphysics``.

The oracle is TorchPhysics itself: the same problem, seed and trainer, once bare and once watched, and the network's own
forward pass after every step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn

from lightning_seqfit import Probe, Run, fork, load
from lightning_seqfit.adapters import TorchPhysics
from lightning_seqfit.callbacks import SequentialFitting
from tests.clients import waves
from tests.clients.waves import LOBES, STEPS, WAVES, assert_read_as_oscillations, seed, settings
from tests.pages import read, snippets
from tests.training import assert_same, due, left_behind, rows, silent

tp = pytest.importorskip("torchphysics", reason="needs the extra: pip install 'lightning-seqfit[clients]'")

#: Snippets of docs/howto/torchphysics.md, by section and language.
SNIPPETS = {
    ("TorchPhysics", "python"): 2,
    ("The residual of a condition", "python"): 1,
}

pytestmark = [
    # As in lightning.pytorch: a deprecated way to ask torch's pytree, and its advice on speed.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*' does not have many workers:UserWarning"),
]

U = tp.spaces.R1("u")
T = tp.spaces.R1("t")
X = tp.spaces.R2("x")
LINE = tp.domains.Interval(T, 0, 1)
SQUARE = tp.domains.Parallelogram(X, [0, 0], [1, 0], [0, 1])


def network(domain: Any, scale: float) -> Any:
    """A tanh network behind a normalisation layer, which spreads the coordinates: it learns oscillations soon."""
    layer = tp.models.NormalizationLayer(domain)
    layer.normalize.weight.data.mul_(scale)
    return tp.models.Sequential(layer, tp.models.FCN(domain.space, U, hidden=(32, 32)))


def at_random(domain: Any, number: int) -> Any:
    return tp.samplers.RandomUniformSampler(domain, n_points=number)


def slope(u: Any, t: Any) -> Any:
    return (tp.utils.grad(u, t) - WAVES * torch.cos(WAVES * t)) / WAVES


def curvature(u: Any, x: Any) -> Any:
    source = 2 * LOBES**2 * torch.sin(LOBES * x).prod(dim=1, keepdim=True)
    return (tp.utils.laplacian(u, x) + source) / (2 * LOBES**2)


def nothing(u: Any) -> Any:
    return u


def adam(rate: float = 5e-3, **options: Any) -> Any:
    return tp.OptimizerSetting(torch.optim.Adam, lr=rate, **options)


def lbfgs() -> Any:
    return tp.OptimizerSetting(torch.optim.LBFGS, lr=0.5, optimizer_args={"max_iter": 3})


def ode(inside: Any = None, setting: Any = None, others: tuple[Any, ...] = (), **options: Any) -> Any:
    """u' = w cos(w t), u(0) = 0 on [0, 1], so u = sin(w t)."""
    net = options.pop("net", None) or network(LINE, 6.0)
    whole = tp.conditions.PINNCondition(net, inside or at_random(LINE, 64), slope, name="whole")
    start = tp.conditions.PINNCondition(net, at_random(LINE.boundary_left, 1), nothing, name="start")
    more = [condition(net) for condition in others]
    return tp.solver.Solver([whole, start, *more], optimizer_setting=setting or adam(), **options)


def poisson(number: int = 200) -> Any:
    """u_xx + u_yy = -2 k^2 sin(k x) sin(k y) on the unit square, zero at its edge, so u = sin(k x) sin(k y)."""
    net = network(SQUARE, 3.0)
    whole = tp.conditions.PINNCondition(net, at_random(SQUARE, number), curvature, name="whole")
    edge = tp.conditions.PINNCondition(net, at_random(SQUARE.boundary, 80), nothing, name="edge")
    return tp.solver.Solver([whole, edge], optimizer_setting=adam())


def validated() -> Any:
    """Every validation switches gradients on, for a condition that differentiates."""
    net = network(LINE, 6.0)
    check = tp.conditions.PINNCondition(net, tp.samplers.GridSampler(LINE, 16).make_static(), slope, name="check")
    free = tp.conditions.PINNCondition(net, at_random(LINE, 4), nothing, name="free", track_gradients=False)
    return ode(net=net, val_conditions=[free, check])


def unknown() -> Any:
    """An unknown frequency beside data in batches."""
    parameter = tp.models.Parameter(1.0, tp.spaces.R1("a"))
    t = torch.linspace(0, 1, 40)[:, None]

    def scaled(u: Any, t: Any, a: Any) -> Any:
        return (tp.utils.grad(u, t) - a * WAVES * torch.cos(WAVES * t)) / WAVES

    def law(net: Any) -> Any:
        return tp.conditions.PINNCondition(net, at_random(LINE, 32), scaled, parameter=parameter, name="law")

    def data(net: Any) -> Any:
        given = tp.spaces.Points(t, T), tp.spaces.Points(torch.sin(WAVES * t), U)
        loader = tp.utils.PointsDataLoader(given, batch_size=8, shuffle=True)
        return tp.conditions.DataCondition(net, loader, relative=False, name="data")

    return ode(others=(law, data))


def constrained() -> Any:
    """Zero at the start by construction."""
    return ode(net=tp.models.HardConstraint(network(LINE, 6.0), lambda u, t: torch.tanh(9 * t) * u))


def on_line(**options: Any) -> Probe:
    return waves.on_line(**{"predict": TorchPhysics(), **options})


def in_plane(**options: Any) -> Probe:
    return waves.in_plane(**{"predict": TorchPhysics(), **options})


def trainer(folder: Path, callbacks: list[Any], **options: Any) -> pl.Trainer:
    ours = {"max_steps": STEPS, "logger": CSVLogger(folder, name="", version=""), "log_every_n_steps": 1}
    return pl.Trainer(**{**settings(folder, callbacks), **ours, **options})


class AfterEachStep(pl.Callback):
    """What the network itself predicts at the probe's points, after each step."""

    def __init__(self, points: np.ndarray[Any, Any]) -> None:
        self.points = torch.tensor(points, dtype=torch.float32)
        self.seen: list[np.ndarray[Any, Any]] = []

    def on_train_start(self, trainer: Any, module: Any) -> None:
        net = module.train_conditions[0].module
        with torch.no_grad():
            self.seen.append(net(tp.spaces.Points(self.points, net.input_space)).as_tensor[:, 0].numpy())

    def on_train_batch_end(self, trainer: Any, module: Any, *args: Any) -> None:
        self.on_train_start(trainer, module)


def trained(make: Callable[[], Any], folder: Path, callbacks: list[Any], append: bool = False, **options: Any) -> Any:
    """All that a training leaves behind."""
    seed()
    module = make()
    trains = trainer(folder, [] if append else callbacks, **options)
    if append:
        trains.callbacks += callbacks
    with silent():
        trains.fit(module)
    return left_behind(trains, module)


def watched(make: Callable[[], Any], folder: Path, watchers: list[Any], **options: Any) -> tuple[Run, Any]:
    """Train bare and watched; both leave the same behind."""
    oracle = AfterEachStep(watchers[0].probe.geometry.points)
    bare = trained(make, folder / "bare", [], **options)
    assert_same(bare, trained(make, folder / "watched", [*watchers, oracle], **options))
    return load(folder / "watched"), oracle


SCHEDULED = {"scheduler_class": torch.optim.lr_scheduler.ExponentialLR, "scheduler_args": {"gamma": 0.95}}

CASES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "Adam on an ODE, random points": (ode, {}),
    "Adam on Poisson's equation, random points": (poisson, {}),
    "a Latin hypercube": (lambda: ode(tp.samplers.LHSSampler(LINE, 64)), {}),
    "points that follow the loss": (lambda: ode(tp.samplers.AdaptiveRandomRejectionSampler(LINE, 64)), {}),
    "a fixed grid": (lambda: ode(tp.samplers.GridSampler(LINE, 64).make_static()), {}),
    "a scheduler": (lambda: ode(setting=adam(**SCHEDULED)), {}),
    "L-BFGS": (lambda: ode(tp.samplers.GridSampler(LINE, 64).make_static(), lbfgs()), {}),
    "validation that differentiates": (validated, {"val_check_interval": 4}),
    "an unknown parameter and data": (unknown, {}),
    "a hard constraint": (constrained, {}),
}


# TorchPhysics hands on the scheduler's arguments as Lightning's, and indexes with lists
@pytest.mark.filterwarnings("ignore:Found unsupported keys in the lr scheduler dict:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_training_is_bitwise_what_it_is_without_us_and_looks_are_where_they_should_be(
    case: str, tmp_path: Path
) -> None:
    make, options = CASES[case]
    run, oracle = watched(make, tmp_path, [SequentialFitting(in_plane() if make is poisson else on_line())], **options)
    assert len(oracle.seen) == STEPS + 1
    assert run.steps.tolist() == due(range(1, STEPS + 1))
    for step, prediction in zip(run.steps, run.prediction, strict=True):
        np.testing.assert_allclose(prediction, oracle.seen[step], rtol=1e-6, atol=1e-7, err_msg=f"step {step}")
    assert len(np.unique(run.scalars["error/max"])) >= 10  # the looks saw a module that moves
    logged = {int(row["step"]) for row in rows(tmp_path / "watched") if row["seqfit/error/max"]}
    assert logged == {max(step - 1, 0) for step in run.steps.tolist()}  # Lightning's axis is one behind
    # not the normalisation layer, which is an nn.Linear as well
    path = "train_conditions.0.module.model" if make is constrained else "train_conditions.0.module"
    assert f"basis: input of layer '{path}.models.1.sequential.4'" in run.notes
    assert np.isfinite(run.scalars["basis/projection_error"]).all() == (make is not constrained)


def residual(module: Any, points: Tensor) -> Tensor:
    """What TorchPhysics itself makes small."""
    condition = module.train_conditions[0]
    x, points = tp.spaces.Points(points.detach(), condition.module.input_space).track_coord_gradients()
    u = condition.module(points)
    left: Tensor = condition.residual_fn({**u.coordinates, **x})
    return left


@pytest.mark.parametrize("make", [ode, poisson, validated])
def test_a_probe_of_the_residual_leaves_the_training_bitwise_unchanged(make: Any, tmp_path: Path) -> None:
    of = in_plane if make is poisson else on_line
    watchers = [
        SequentialFitting(of()),
        SequentialFitting(of(target=0.0, predict=residual, needs_grad=True, name="residual")),
    ]
    run, _ = watched(make, tmp_path, watchers, **({"val_check_interval": 4} if make is validated else {}))
    left = load(tmp_path / "watched", "residual")
    assert left.steps.tolist() == run.steps.tolist()
    errors = left.scalars["error/relative_rmse"]
    assert errors[0] == pytest.approx(1.0)  # relative to the first look
    assert len(np.unique(errors)) >= 10


def of_equation(net: Any, points: np.ndarray[Any, Any], factor: float = 1.0) -> np.ndarray[Any, Any]:
    """What a network leaves of the equation on the line, by hand."""
    t = torch.tensor(points, dtype=torch.float32, requires_grad=True)
    (slopes,) = torch.autograd.grad(net(tp.spaces.Points(t, T)).as_tensor.sum(), t)
    left = (slopes[:, 0] - factor * WAVES * torch.cos(WAVES * t[:, 0])) / WAVES
    return left.detach().numpy()


@pytest.mark.parametrize("condition", ["whole", 0])
def test_the_residual_of_a_condition_is_what_its_equation_leaves(condition: Any) -> None:
    module, probe = ode(), on_line(target=0.0, predict=TorchPhysics.residual(condition))
    left = of_equation(module.train_conditions[0].module, probe.geometry.points)
    np.testing.assert_allclose(observed(module, probe), left, rtol=1e-4, atol=1e-5)


def test_the_residual_in_the_plane() -> None:
    module, probe = poisson(), in_plane(target=0.0, predict=TorchPhysics.residual("whole"))
    net = module.train_conditions[0].module
    x = torch.tensor(probe.geometry.points, dtype=torch.float32, requires_grad=True)
    (slopes,) = torch.autograd.grad(net(tp.spaces.Points(x, X)).as_tensor.sum(), x, create_graph=True)
    curved = sum(torch.autograd.grad(slopes[:, n].sum(), x, retain_graph=True)[0][:, n] for n in range(2))
    left = (curved + 2 * LOBES**2 * torch.sin(LOBES * x).prod(dim=1)) / (2 * LOBES**2)
    np.testing.assert_allclose(observed(module, probe), left.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_the_residual_has_the_parameters_and_the_data_functions_of_the_moment() -> None:
    module = unknown()
    law = module.train_conditions[2]
    probe = on_line(target=0.0, predict=TorchPhysics.residual("law"))
    for value in (1.0, 2.5):
        law.parameter.as_tensor.data.fill_(value)
        left = of_equation(law.module, probe.geometry.points, factor=value)
        np.testing.assert_allclose(observed(module, probe), left, rtol=1e-4, atol=1e-5)

    def given(net: Any) -> Any:
        return tp.conditions.PINNCondition(
            net, at_random(LINE, 8), lambda u, f: u - f, data_functions={"f": lambda t: 3 * t}, name="given"
        )

    module, probe = ode(others=(given,)), on_line(target=0.0, predict=TorchPhysics.residual("given"))
    t = torch.tensor(probe.geometry.points, dtype=torch.float32)
    left = module.train_conditions[2].module(tp.spaces.Points(t, T)).as_tensor - 3 * t
    np.testing.assert_allclose(observed(module, probe), left[:, 0].detach().numpy(), rtol=1e-4, atol=1e-5)


def test_several_components_are_a_column_each() -> None:
    def both(net: Any) -> Any:
        return tp.conditions.PINNCondition(net, at_random(LINE, 8), lambda u: torch.cat([u, 2 * u], 1), name="both")

    module = ode(others=(both,))
    first, second = (
        observed(module, on_line(target=0.0, predict=TorchPhysics.residual("both"), output=output)) for output in (0, 1)
    )
    assert np.abs(first).max() > 0
    np.testing.assert_allclose(second, 2 * first)


def test_no_residual_where_there_is_no_equation_or_no_such_condition() -> None:
    def data(net: Any) -> Any:
        given = tp.spaces.Points(torch.rand(9, 1), T), tp.spaces.Points(torch.rand(9, 1), U)
        return tp.conditions.DataCondition(net, tp.utils.PointsDataLoader(given, batch_size=9), name="data")

    def periodic(net: Any) -> Any:
        return tp.conditions.PeriodicCondition(net, LINE, lambda u_left, u_right: u_left - u_right, name="periodic")

    def energy(net: Any) -> Any:
        return tp.conditions.DeepRitzCondition(net, at_random(LINE, 8), lambda u: u**2, name="energy")

    def static(net: Any) -> Any:
        points = tp.samplers.GridSampler(LINE, 8).make_static()
        return tp.conditions.PINNCondition(
            net, points, lambda u, f: u, data_functions={"f": lambda t: t}, name="static"
        )

    def twin(net: Any) -> Any:
        return tp.conditions.PINNCondition(net, at_random(LINE, 8), nothing, name="start")

    module = ode(others=(data, periodic, energy, static, twin))
    able = r"0 \('whole'\), 1 \('start'\), 6 \('start'\)"
    for condition, words in (
        ("data", rf"condition='data' has no equation of a network.* Conditions with an equation are {able}"),
        (3, r"condition=3 takes further points than those of a probe"),
        ("energy", r"condition='energy' minimises a mean, such as an energy"),
        ("static", r"condition='static' keeps what its data functions are at its own static points"),
        ("start", rf"condition='start': several conditions have that name: give a number of those .* {able}"),
        ("D", rf"condition='D': give the name or number of one of those with an equation, which are {able}"),
    ):
        with pytest.raises(ValueError, match=words):
            observed(module, on_line(target=0.0, predict=TorchPhysics.residual(condition)))
    with pytest.raises(TypeError, match="looks at a solver of torchphysics"):
        observed(nn.Linear(1, 1), on_line(target=0.0, predict=TorchPhysics.residual("D")))


def test_a_probe_of_the_residual_of_a_condition_leaves_the_training_bitwise_unchanged(tmp_path: Path) -> None:
    options = {"target": 0.0, "predict": TorchPhysics.residual("whole"), "name": "residual", "scale": 1.0}
    watched(ode, tmp_path, [SequentialFitting(on_line()), SequentialFitting(on_line(**options))])
    errors = load(tmp_path / "watched", "residual").scalars["error/relative_rmse"]
    assert len(np.unique(errors)) >= 10


def test_the_terms_of_the_loss_are_the_conditions(tmp_path: Path) -> None:
    """TorchPhysics logs each; the oracle is what it logs itself."""
    trainer(tmp_path, [SequentialFitting(on_line(), every_n_steps=1)], max_steps=8).fit(ode())
    run = load(tmp_path)
    assert set(run.losses) == {"whole", "start"}
    for name, losses in (*run.losses.items(), ("loss", run.scalars["training/loss"])):
        logged = [float(row[f"train/{name}"]) for row in rows(tmp_path) if row.get(f"train/{name}")]
        np.testing.assert_allclose(losses[1:], logged, rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("plane", [False, True], ids=["ODE", "Poisson"])
def test_an_oscillatory_problem_is_read_as_such(plane: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = poisson() if plane else ode(at_random(LINE, 200), adam(1e-2), net=network(LINE, 3.0))
    oscillations = 4.0 if plane else 3.0
    callbacks = [SequentialFitting(in_plane() if plane else on_line(), every_n_steps=50)]
    trainer(tmp_path, callbacks, max_steps=600 if plane else 700, logger=False).fit(module)
    run = load(tmp_path)
    assert_read_as_oscillations(run, oscillations)
    if not plane:  # what is given at its start reaches along t
        fitted = run.scalars["front/fitted"]
        halfway = (fitted > 0.3) & (fitted < 0.8)
        assert (run.scalars["front/depth/t_min"] > run.scalars["front/depth/t_max"])[halfway].all()


def test_it_can_be_appended_to_the_trainers_callbacks_before_the_training(tmp_path: Path) -> None:
    bare = trained(ode, tmp_path / "bare", [])
    seen = trained(ode, tmp_path / "watched", [SequentialFitting(on_line())], append=True)
    assert_same(bare, seen)
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))


def test_adam_then_lbfgs_in_two_trainers_is_one_record(tmp_path: Path) -> None:
    """The second trainer counts its steps from 0 again; the record has both, one after the other."""

    def both(folder: Path, callbacks: list[Any]) -> list[Any]:
        seed()
        module, left = ode(tp.samplers.GridSampler(LINE, 64).make_static()), []
        for setting, steps in ((adam(), 20), (lbfgs(), 10)):
            module.optimizer_setting = setting
            trains = trainer(folder / setting.optimizer_class.__name__, callbacks, max_steps=steps)
            with silent():
                trains.fit(module)
            left.append(left_behind(trains, module))
        return left

    assert_same(both(tmp_path / "bare", []), both(tmp_path / "watched", [SequentialFitting(on_line())]))
    first, whole = (load(tmp_path / "watched" / name) for name in ("Adam", "LBFGS"))
    assert first.steps.tolist() == due(range(1, 21))
    assert whole.steps.tolist() == [*due(range(1, 21)), *due(range(1, 11))]
    assert whole.fit.tolist() == [0] * len(first.steps) + [1] * len(due(range(1, 11)))
    np.testing.assert_array_equal(whole.prediction[: len(first.steps)], first.prediction)
    np.testing.assert_array_equal(whole.prediction[len(first.steps)], first.prediction[-1])


def observed(module: Any, probe: Probe) -> np.ndarray[Any, Any]:
    return probe.observe(module, np.zeros(len(probe.geometry.points))).prediction


def heat() -> Any:
    """A network on R2("x") * R1("t")."""
    space = X * T
    net = tp.models.FCN(space, U * tp.spaces.R1("v"), hidden=(8,))
    domain = tp.domains.Interval(T, 0, 1)
    condition = tp.conditions.PINNCondition(net, at_random(SQUARE * domain, 10), nothing, name="heat")
    return tp.solver.Solver([condition])


def test_vector_variables_and_components_are_found(tmp_path: Path) -> None:
    module = heat()
    net = module.train_conditions[0].module
    for axes, variables, order in (
        (("x", "y", "t"), ["x", "x", "t"], [0, 1, 2]),
        (("t", "x", "y"), ["t", "x", "x"], [1, 2, 0]),
    ):
        for output in (0, 1):
            predict = TorchPhysics(variables=variables)
            probe = Probe.grid(
                [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)], 0.0, resolution=8, axes=axes, predict=predict, output=output
            )
            points = torch.tensor(probe.geometry.points[:, order], dtype=torch.float32)
            expected = net(tp.spaces.Points(points, net.input_space)).as_tensor[:, output].detach().numpy()
            np.testing.assert_allclose(observed(module, probe), expected, rtol=1e-5, atol=1e-6)


def test_of_several_networks_one_is_chosen() -> None:
    one, other = network(LINE, 1.0), network(LINE, 2.0)
    conditions = [
        tp.conditions.ParameterCondition(tp.models.Parameter(1.0, tp.spaces.R1("a")), lambda a: a.sum(), 1.0),
        tp.conditions.PINNCondition(one, at_random(LINE, 4), nothing, name="first"),
        tp.conditions.PINNCondition(other, at_random(LINE, 4), nothing, name="second"),
    ]
    module = tp.solver.Solver(conditions)
    with pytest.raises(ValueError, match=r"condition=None: .* those with a network are 1 \('first'\), 2 \('second'\)"):
        observed(module, on_line())
    with pytest.raises(ValueError, match=r"condition=0: give the number of a training condition whose network"):
        observed(module, on_line(predict=TorchPhysics(condition=0)))
    points = torch.tensor(on_line().geometry.points, dtype=torch.float32)
    for number, net in ((1, one), (2, other)):
        expected = net(tp.spaces.Points(points, T)).as_tensor[:, 0].detach().numpy()
        np.testing.assert_allclose(
            observed(module, on_line(predict=TorchPhysics(condition=number))), expected, rtol=1e-6, atol=1e-7
        )


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "no adapter": (
        ode,
        {"predict": None},
        r"the module raised NotImplementedError: .*forward.*; it was called with a tensor of shape \(512, 1\), "
        r"dtype torch\.float32.*pass predict=lightning_seqfit\.adapters\.TorchPhysics\(\)",
    ),
    "points as they come": (
        ode,
        {"predict": lambda module, x: module.train_conditions[0].module(tp.spaces.Points(x, T))},
        r"predict returned Points of shape \(512, 1\), expected a tensor of shape \(512,\) or \(512, k\).*"
        r"pass predict=lightning_seqfit\.adapters\.TorchPhysics\(\)",
    ),
    "axes of other names": (
        heat,
        {"bounds": [(0.0, 1.0)] * 3, "axes": ["x", "y", "t"], "resolution": 8, "target": 0.0},
        r"the module takes x, x, t, but the 3 axes of the probe are x, y, t: name each with variables=, such as "
        r"variables=\['x', 'x', 't'\]",
    ),
    "too few axes": (heat, {}, r"the module takes x, x, t, but the 1 axes of the probe are t: give the probe one axis"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_before_the_first_batch(case: str, tmp_path: Path) -> None:
    make, options, words = REFUSED[case]
    module = make()
    before = [p.clone() for p in module.parameters()]
    trains = trainer(tmp_path, [SequentialFitting(on_line(**options))])
    with pytest.raises((RuntimeError, ValueError, TypeError), match=words):
        trains.fit(module)
    assert trains.fit_loop.epoch_loop.batch_progress.total.ready == 0
    assert_same(before, [p.clone() for p in module.parameters()])


def test_a_module_that_returns_points_is_told_to_take_the_tensor_out() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(LINE, 1.0)

        def forward(self, x: Tensor) -> Any:
            return self.net(tp.spaces.Points(x, T))

    with pytest.raises(TypeError, match=r"the module returned Points of shape \(512, 1\).*module\(points\)\.as_tensor"):
        observed(Own(), on_line(predict=None))
    probe = on_line(predict=lambda module, points: module(points).as_tensor)
    assert np.isfinite(observed(Own(), probe)).all()


def test_a_fork_trains_as_torchphysics_does_and_exchanges_what_is_within_a_model(tmp_path: Path) -> None:
    at = "train_conditions.0.module.models.1.sequential"  # behind the layer that normalises
    changes = [
        {"network": "siren", "omega_0": 6.0, "inputs": "[-1, 1]"},
        {"network": "fourier", "sigma": 2.0},
        {"learning_rate_factor": 0.2},
    ]
    table = fork(ode, on_line(), changes, steps=2 * STEPS, seeds=[7], at=at)
    rows = {attempt.name.partition(",")[0]: attempt for attempt in table.attempts}
    assert {attempt.why for attempt in table.attempts} == {""}
    assert rows["SIREN"].steps[0] < 2 * STEPS

    def watched(code: str) -> Run:
        seed()
        made = ode()
        exec(code, {"module": made})
        folder = tmp_path / str(len(code))
        trainer(folder, [SequentialFitting(on_line(), every_n_steps=5)], max_steps=2 * STEPS).fit(made)
        return load(folder)

    as_it_is = watched("").scalars["error/relative_rmse"][-1]
    assert rows["as it is"].error == (pytest.approx(as_it_is, rel=1e-4),)
    assert watched(rows["SIREN"].code).front.fitted[-1] > 0.98


def test_a_network_that_returns_points_is_not_exchanged_and_one_within_it_is_named() -> None:
    table = fork(ode, on_line(), {"network": "siren", "omega_0": 6.0}, steps=2, seeds=1)
    (tried,) = [attempt for attempt in table.attempts if attempt.change]
    assert "returns Points" in tried.why
    assert tried.why.endswith("at='train_conditions.0.module.models.1.sequential'")


def test_the_snippets_of_the_page_run_as_they_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = snippets(read("docs/howto/torchphysics.md"))
    (attach, by_axis), (of_condition,) = page["TorchPhysics", "python"], page["The residual of a condition", "python"]
    short = "max_steps=6, accelerator='cpu', enable_progress_bar=False, enable_model_summary=False"
    assert "max_steps=2_000" in attach
    names: dict[str, Any] = {}
    exec(attach.replace("max_steps=2_000", short), names)
    run = load(names["trainer"].log_dir)
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert set(run.scalars["oscillations/target"]) == {3.0}
    exec(of_condition, names)

    class Known(nn.Module):
        """The solution itself, in the place of the network."""

        input_space = T

        def forward(self, points: Any) -> Any:
            return tp.spaces.Points(names["solution"](points.as_tensor)[:, None], U)

    names["solver"].train_conditions[0].module = Known()
    assert np.abs(observed(names["solver"], names["left"])).max() < 1e-3
    exec(by_axis, names)
    probe = Probe.grid([(0.0, 1.0)] * 3, 0.0, resolution=8, predict=names["predict"])
    assert np.isfinite(observed(heat(), probe)).all()
