# ruff: noqa: RUF012 - problems of PINA are classes of lists and dicts
"""Under PINA: its own Trainer, problems and solvers, on ``lightning.pytorch``. Needs ``pina-mathlab``.

The oracle is PINA itself: the same problem, seed and trainer, once bare and once watched, and the solver's own forward
pass after every batch.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

from lightning_seqfit import Probe, Run, fork, load
from lightning_seqfit.adapters import PINA, PINAResidual
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from tests.clients import waves
from tests.clients.waves import LOBES, STEPS, WAVES, assert_read_as_oscillations, seed, settings
from tests.pages import read, snippets
from tests.training import assert_same, due, left_behind, rows, silent

pina = pytest.importorskip("pina", reason="needs the extra: pip install 'lightning-seqfit[clients]'")
callback = pytest.importorskip("pina.callback")
domain = pytest.importorskip("pina.domain")
equation = pytest.importorskip("pina.equation")
operator = pytest.importorskip("pina.operator")
optim = pytest.importorskip("pina.optim")
problem = pytest.importorskip("pina.problem")
ready = pytest.importorskip("pina.problem.zoo")
solver = pytest.importorskip("pina.solver")
zoo = pytest.importorskip("pina.equation.zoo")

#: Snippets of docs/howto/pina.md, by section and language.
SNIPPETS = {
    ("PINA", "python"): 1,
    ("The residual of a condition", "python"): 1,
}

pytestmark = [
    # Lightning's deprecated way to ask torch's pytree; PINA's solvers always have a validation_step.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`:UserWarning"),
]


class Network(nn.Module):
    """A tanh network on coordinates from the middle of the unit box, wide apart: it learns oscillations soon."""

    def __init__(self, dimension: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(nn.Linear(dimension, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.scale * (x - 0.5))


def ode(number: int = 64, inverse: bool = False) -> Any:
    """u' = w cos(w t), u(0) = 0 on [0, 1], so u = sin(w t); a new class each time, since PINA keeps points in it."""

    def slope(given: Any, u: Any, params: Any = None) -> Any:
        growth = operator.grad(u, given, components=["u"], d=["t"])
        known = WAVES * torch.cos(WAVES * given.extract(["t"]))
        return (growth - (known if params is None else params["a"] * known)) / WAVES

    def direct(given: Any, u: Any) -> Any:
        return slope(given, u)

    class ODE(*([problem.InverseProblem] if inverse else []), problem.TimeDependentProblem):
        output_variables = ["u"]
        temporal_domain = domain.CartesianDomain({"t": [0, 1]})
        unknown_parameter_domain = domain.CartesianDomain({"a": [0.5, 2.0]})
        domains = {"whole": temporal_domain, "start": domain.CartesianDomain({"t": 0.0})}
        conditions = {
            "whole": pina.Condition(domain="whole", equation=equation.Equation(slope if inverse else direct)),
            "start": pina.Condition(domain="start", equation=zoo.FixedValue(0.0)),
        }

    return discretised(ODE(), number, start=1)


def poisson(number: int = 200) -> Any:
    """u_xx + u_yy = -2 k^2 sin(k x) sin(k y) on the unit square, zero at its edge, so u = sin(k x) sin(k y)."""

    def curvature(given: Any, u: Any) -> Any:
        source = 2 * LOBES**2 * torch.sin(LOBES * given.extract(["x"])) * torch.sin(LOBES * given.extract(["y"]))
        return (operator.laplacian(u, given, components=["u"], d=["x", "y"]) + source) / (2 * LOBES**2)

    class Poisson(problem.SpatialProblem):
        output_variables = ["u"]
        spatial_domain = domain.CartesianDomain({"x": [0, 1], "y": [0, 1]})
        domains = {"whole": spatial_domain, "edge": spatial_domain.partial()}
        conditions = {
            "whole": pina.Condition(domain="whole", equation=equation.Equation(curvature)),
            "edge": pina.Condition(domain="edge", equation=zoo.FixedValue(0.0)),
        }

    return discretised(Poisson(), number, edge=80)


def discretised(made: Any, number: int, **others: int) -> Any:
    """Points at random, of the torch generator."""
    for name, count in {"whole": number, **others}.items():
        made.discretise_domain(count, "random", domains=[name])
    return made


def on_line(**options: Any) -> Probe:
    return waves.on_line(**{"predict": PINA(), **options})


def in_plane(**options: Any) -> Probe:
    return waves.in_plane(**{"predict": PINA(), **options})


def adam(rate: float = 5e-3) -> Any:
    return optim.TorchOptimizer(torch.optim.Adam, lr=rate)


def lbfgs() -> Any:
    return optim.TorchOptimizer(torch.optim.LBFGS, max_iter=3, line_search_fn="strong_wolfe")


def pinn(given: Any = None, kind: str = "PhysicsInformedSingleModelSolver", **options: Any) -> Any:
    given = given or ode()
    return getattr(solver, kind)(given, Network(len(given.input_variables), 12.0), **{"optimizer": adam(), **options})


def ensemble() -> Any:
    return solver.PhysicsInformedEnsembleSolver(
        ode(), [Network(1, 12.0) for _ in range(3)], optimizers=[adam() for _ in range(3)]
    )


def competitive() -> Any:
    return solver.CompetitivePhysicsInformedSolver(
        ode(),
        Network(1, 12.0),
        discriminator=nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)),
        optimizer_model=adam(),
        optimizer_discriminator=adam(),
        scheduler_model=constant(),
        scheduler_discriminator=constant(),
    )


def constant() -> Any:
    return optim.TorchScheduler(torch.optim.lr_scheduler.ConstantLR, factor=1.0)


def self_adaptive() -> Any:
    return solver.SelfAdaptivePhysicsInformedSolver(
        ode(), Network(1, 12.0), optimizer_model=adam(), optimizer_weights=adam()
    )


def trainer(module: Any, folder: Path, callbacks: list[Any], **options: Any) -> Any:
    ours = {"max_epochs": STEPS, "logger": CSVLogger(folder, name="", version="")}
    return pina.Trainer(module, **{**settings(folder, callbacks), **ours, **options})


class AfterEachBatch(L.Callback):
    """What the solver itself predicts at the middle of a few cells, after each batch."""

    def __init__(self, labels: list[str], points: np.ndarray[Any, Any]) -> None:
        self.points = pina.LabelTensor(torch.tensor(points, dtype=torch.float32), labels)
        self.seen: list[np.ndarray[Any, Any]] = []

    def on_train_start(self, trainer: Any, module: Any) -> None:
        with torch.no_grad():
            self.seen.append(module(self.points).as_subclass(Tensor).numpy())

    def on_train_batch_end(self, trainer: Any, module: Any, *args: Any) -> None:
        self.on_train_start(trainer, module)


def trained(make: Callable[[], Any], folder: Path, callbacks: list[Any], append: bool = False, **options: Any) -> Any:
    """All that a training leaves behind."""
    seed()
    module = make()
    made = options.pop("others", list)()
    trains = trainer(module, folder, made if append else [*made, *callbacks], **options)
    if append:
        trains.callbacks += callbacks
    with silent():
        trains.train()
    unknown = getattr(module.problem, "unknown_parameters", {})
    return {**left_behind(trains, module), "unknown": {name: value.detach() for name, value in unknown.items()}}


def watched(make: Callable[[], Any], folder: Path, watchers: list[Any], **options: Any) -> tuple[Run, Any]:
    """Train bare and watched; both leave the same behind."""
    labels, points = list(watchers[0].probe.geometry.axes), watchers[0].probe.geometry.points
    oracle = AfterEachBatch(labels, points)
    bare = trained(make, folder / "bare", [], **options)
    seen = trained(make, folder / "watched", [*watchers, oracle], **options)
    assert_same(bare, seen)
    return load(folder / "watched"), oracle


def refinement() -> list[Any]:
    return [callback.R3Refinement(sample_every=3, condition_to_update="whole")]


CASES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "Adam on an ODE": (pinn, {}),
    "Adam on Poisson's equation": (lambda: pinn(poisson()), {}),
    "shuffled batches": (lambda: pinn(poisson()), {"batch_size": 40, "max_epochs": 6}),
    "Adam, then L-BFGS": (pinn, {"others": lambda: [callback.SwitchOptimizer(lbfgs(), epoch_switch=15)]}),
    "L-BFGS": (lambda: pinn(optimizer=lbfgs()), {}),
    "points drawn anew": (pinn, {"others": refinement, "batch_size": 32, "max_epochs": 15}),
    "a part for validation": (pinn, {"train_size": 0.8, "val_size": 0.2}),
    "residual-based attention": (lambda: pinn(kind="RBAPhysicsInformedSingleModelSolver"), {}),
    "an unknown parameter": (lambda: pinn(ode(inverse=True)), {}),
    "an ensemble": (ensemble, {}),
    "a discriminator": (competitive, {}),
    "self-adaptive weights": (self_adaptive, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_training_is_bitwise_what_it_is_without_us_and_looks_are_where_they_should_be(
    case: str, tmp_path: Path
) -> None:
    make, options = CASES[case]
    probe = in_plane() if case in ("Adam on Poisson's equation", "shuffled batches") else on_line()
    run, oracle = watched(make, tmp_path, [SequentialFitting(probe)], **options)
    assert len(oracle.seen) == STEPS + 1
    assert run.steps.tolist() == due(range(1, STEPS + 1))
    for step, prediction in zip(run.steps, run.prediction, strict=True):
        expected = oracle.seen[step].mean(axis=0) if case == "an ensemble" else oracle.seen[step]
        np.testing.assert_allclose(prediction, expected[:, 0], rtol=1e-6, atol=1e-7, err_msg=f"step {step}")
    assert len(np.unique(run.scalars["error/max"])) >= 10  # the looks saw a module that moves
    logged = {int(row["step"]) for row in rows(tmp_path / "watched") if row["seqfit/error/max"]}
    assert logged == {max(step - 1, 0) for step in run.steps.tolist()}  # Lightning's axis is one behind


def residual(module: Any, points: Tensor) -> Tensor:
    """What PINA itself makes small, as a plain tensor."""
    x = points.as_subclass(pina.LabelTensor)
    x.labels = module.problem.input_variables
    left: Tensor = module.problem.conditions["whole"].evaluate({"input": x}, module)
    return left.as_subclass(Tensor)


@pytest.mark.parametrize("kind", ["ODE", "Poisson", "discriminator"])
def test_a_probe_of_the_residual_leaves_the_training_bitwise_unchanged(kind: str, tmp_path: Path) -> None:
    plane = kind == "Poisson"
    make, solution = {
        "ODE": (pinn, on_line()),
        "Poisson": (lambda: pinn(poisson()), in_plane()),
        "discriminator": (competitive, on_line()),
    }[kind]
    options = {"target": 0.0, "predict": residual, "needs_grad": True, "name": "residual"}
    watchers = [SequentialFitting(solution), SequentialFitting(in_plane(**options) if plane else on_line(**options))]
    run, _ = watched(make, tmp_path, watchers)
    left = load(tmp_path / "watched", "residual")
    assert left.steps.tolist() == run.steps.tolist()
    errors = left.scalars["error/relative_rmse"]
    assert errors[0] == pytest.approx(1.0)  # relative to the first look
    assert len(np.unique(errors)) >= 10


def test_the_residual_that_is_probed_is_the_loss_of_the_training(tmp_path: Path) -> None:
    """On the probe's own points the mean square is what the training logs for the next batch."""
    probe = on_line(resolution=64, target=0.0, predict=residual, needs_grad=True)
    given = ode()
    x = pina.LabelTensor(torch.tensor(probe.geometry.points, dtype=torch.float32), ["t"])
    given.discretised_domains["whole"] = x
    module = pinn(given)
    trainer(module, tmp_path, [ErrorFront(probe, every_n_steps=1)], log_every_n_steps=1, batch_size=64).train()
    run = load(tmp_path)
    losses = [float(row["whole_loss_step"]) for row in rows(tmp_path) if row["whole_loss_step"]]
    np.testing.assert_allclose(np.mean(run.prediction[:-1] ** 2, axis=1), losses, rtol=1e-4)


def of_equation(u: Callable[[Tensor], Tensor], points: np.ndarray[Any, Any], plane: bool) -> np.ndarray[Any, Any]:
    """What u leaves of the equations of this file, by hand: u of shape (N, d) -> (N,), in double precision."""
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(u(x).sum(), x, create_graph=True)
    if not plane:
        return ((slopes[:, 0] - WAVES * torch.cos(WAVES * x[:, 0])) / WAVES).detach().numpy()
    curved = sum(torch.autograd.grad(slopes[:, n].sum(), x, retain_graph=True)[0][:, n] for n in range(2))
    return ((curved + 2 * LOBES**2 * torch.sin(LOBES * x).prod(dim=1)) / (2 * LOBES**2)).detach().numpy()


@pytest.mark.parametrize("kind", ["ODE", "Poisson", "discriminator", "trained"])
@pytest.mark.parametrize("condition", ["whole", 0])
def test_the_residual_of_a_condition_is_what_its_equation_leaves(kind: str, condition: Any, tmp_path: Path) -> None:
    plane = kind == "Poisson"
    module = {"Poisson": lambda: pinn(poisson()), "discriminator": competitive}.get(kind, pinn)()
    if kind == "trained":  # the condition has become one of given points
        trainer(module, tmp_path, [], max_epochs=3).train()
    turned = {"axes": ["y", "x"]} if plane else {}
    probe = (in_plane if plane else on_line)(target=0.0, predict=PINA.residual(condition), **turned)
    seen = probe.observe(module, np.zeros(len(probe.geometry.points))).prediction
    network = copy.deepcopy(module.models[0] if kind == "discriminator" else module.model).double()
    columns = [1, 0] if plane else [0]
    left = of_equation(lambda x: network(x)[:, 0], probe.geometry.points[:, columns], plane)
    np.testing.assert_allclose(seen, left, rtol=1e-3, atol=1e-4 * np.abs(left).max())


def test_the_residual_of_an_ensemble_is_that_of_its_mean_or_of_one_member() -> None:
    module = ensemble()
    networks = [copy.deepcopy(network).double() for network in module.models]
    for predict, chosen in ((PINA.residual("whole"), networks), (PINA.residual("whole", member=2), networks[2:])):
        probe = on_line(target=0.0, predict=predict)
        seen = probe.observe(module, np.zeros(512)).prediction
        left = of_equation(
            lambda x, chosen=chosen: torch.stack([network(x)[:, 0] for network in chosen]).mean(dim=0),
            probe.geometry.points,
            plane=False,
        )
        np.testing.assert_allclose(seen, left, rtol=1e-3, atol=1e-4 * np.abs(left).max())


def test_the_residual_of_an_inverse_problem_has_the_parameters_of_the_moment() -> None:
    module = pinn(ode(inverse=True))
    network, probe = copy.deepcopy(module.model).double(), on_line(target=0.0, predict=PINA.residual("whole"))
    (unknown,) = module.problem.unknown_parameters.values()
    known = of_equation(lambda x: network(x)[:, 0], probe.geometry.points, plane=False)
    for value in (0.5, 1.5):
        unknown.data.fill_(value)
        seen = probe.observe(module, np.zeros(512)).prediction
        expected = known + (1 - value) * np.cos(WAVES * probe.geometry.points[:, 0])
        np.testing.assert_allclose(seen, expected, rtol=1e-3, atol=1e-4)


def test_several_equations_are_a_column_each() -> None:
    given = ode()
    system = equation.SystemEquation([lambda x, u: u, lambda x, u: 2 * u])
    given.conditions["whole"].equation = system
    module = pinn(given)
    first, second = (
        on_line(target=0.0, predict=PINA.residual("whole"), output=output).observe(module, np.zeros(512)).prediction
        for output in (0, 1)
    )
    assert np.abs(first).max() > 0
    np.testing.assert_allclose(second, 2 * first)


def test_a_probe_of_the_residual_of_a_condition_leaves_the_training_bitwise_unchanged(tmp_path: Path) -> None:
    options = {"target": 0.0, "predict": PINA.residual("whole"), "name": "residual", "scale": 1.0}
    watched(pinn, tmp_path, [SequentialFitting(on_line()), SequentialFitting(on_line(**options))])
    errors = load(tmp_path / "watched", "residual").scalars["error/relative_rmse"]
    assert len(np.unique(errors)) >= 10


def test_no_residual_where_there_is_no_equation_or_no_such_condition() -> None:
    x = pina.LabelTensor(torch.rand(9, 1), ["t"])
    given = ode()
    type(given).conditions["data"] = pina.Condition(input=x, target=pina.LabelTensor(torch.rand(9, 1), ["u"]))
    module = pinn(type(given)())
    for condition, words in (
        ("data", r"condition='data' has no equation.* Conditions with an equation are 0 \('whole'\), 1 \('start'\)"),
        ("D", r"condition='D': give the name or number of one of those with an equation, which are 0 \('whole'\)"),
        (7, r"condition=7: give the name or number"),
    ):
        with pytest.raises(ValueError, match=words):
            on_line(target=0.0, predict=PINAResidual(condition)).observe(module, np.zeros(512))
    with pytest.raises(TypeError, match="looks at a solver of pina"):
        on_line(target=0.0, predict=PINAResidual("D")).observe(nn.Linear(1, 1), np.zeros(512))


@pytest.mark.parametrize("make", [pinn, ensemble, competitive], ids=["one network", "an ensemble", "a discriminator"])
@pytest.mark.parametrize("logs_steps", [True, False])
def test_the_terms_of_the_loss_are_the_conditions(make: Any, logs_steps: bool, tmp_path: Path) -> None:
    """PINA logs each, by steps where the trainer does, else by epochs; the oracle is what it logs itself."""
    every = {"log_every_n_steps": 1, "batch_size": 64} if logs_steps else {"log_every_n_steps": 0}
    trains = trainer(make(), tmp_path, [SequentialFitting(on_line(), every_n_steps=1)], max_epochs=8, **every)
    trains.train()
    run = load(tmp_path)
    assert set(run.losses) == {"whole", "start"}
    suffix = "_step" if logs_steps else ""
    for name, losses in (*run.losses.items(), ("train", run.scalars["training/loss"])):
        tag = f"{name}_loss{suffix}"
        logged = [float(row[tag]) for row in rows(tmp_path) if row.get(tag)]
        np.testing.assert_allclose(losses[1:], logged, rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("plane", [False, True], ids=["ODE", "Poisson"])
def test_an_oscillatory_problem_is_read_as_such(plane: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    given, oscillations = (poisson(), 4.0) if plane else (ode(100), 3.0)
    network = Network(2, 6.0) if plane else Network(1, 12.0)
    module = solver.PhysicsInformedSingleModelSolver(given, network, optimizer=adam())
    callbacks = [SequentialFitting(in_plane() if plane else on_line(), every_n_steps=50)]
    trains = trainer(module, tmp_path, callbacks, max_epochs=450 if plane else 600)
    assert trains.log_every_n_steps == 0  # as PINA sets it for full batches
    trains.train()
    run = load(tmp_path)
    assert_read_as_oscillations(run, oscillations)


def test_it_can_be_appended_to_the_trainers_callbacks_before_the_training(tmp_path: Path) -> None:
    bare = trained(pinn, tmp_path / "bare", [])
    seen = trained(pinn, tmp_path / "watched", [SequentialFitting(on_line())], append=True)
    assert_same(bare, seen)
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))


def test_adam_then_lbfgs_in_two_trainers_are_two_records_and_the_same_weights(tmp_path: Path) -> None:
    def both(folder: Path, watch: bool) -> Any:
        torch.manual_seed(7)
        network, given, left = Network(1, 12.0), ode(), []
        for optimizer in (adam(), lbfgs()):
            module = solver.PhysicsInformedSingleModelSolver(given, network, optimizer=optimizer)
            callbacks = [SequentialFitting(on_line())] if watch else []
            trains = trainer(module, folder / optimizer.optimizer_class.__name__, callbacks, max_epochs=10)
            with silent():
                trains.train()
            left.append(left_behind(trains, module))
        return left

    assert_same(both(tmp_path / "bare", False), both(tmp_path / "watched", True))
    first, second = (load(tmp_path / "watched" / name) for name in ("Adam", "LBFGS"))
    assert first.steps.tolist() == second.steps.tolist() == due(range(1, 11))
    np.testing.assert_array_equal(first.prediction[-1], second.prediction[0])


# Lightning, of manual optimisation: such a checkpoint has the weights after the step
@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization:UserWarning")
@pytest.mark.parametrize("every", ["step", "epoch"])
@pytest.mark.parametrize("make", [pinn, competitive], ids=["automatic", "manual"])
def test_a_look_in_a_checkpoint_is_at_the_step_it_should_be_at(every: str, make: Any, tmp_path: Path) -> None:
    """A checkpoint is written before our turn, and PINA counts the step of a manual solver after it."""
    when = {"every_n_train_steps": 1} if every == "step" else {"every_n_epochs": 1}
    keeper = ModelCheckpoint(tmp_path / "kept", save_top_k=-1, filename="{epoch}", **when)
    trains = trainer(make(), tmp_path, [keeper], max_epochs=8, log_every_n_steps=1, batch_size=64)
    trains.callbacks.append(SequentialFitting(on_line(), every_n_steps=1))  # after the keeper
    trains.train()
    for number in range(1, 8):
        state = torch.load(tmp_path / "kept" / f"epoch={number}.ckpt", weights_only=True)
        assert state["callbacks"]["seqfit.SequentialFitting[probe]"]["last_step"] == number + 1, number
    assert load(tmp_path).steps.tolist() == list(range(9))


# Lightning, of a resumed run with a folder of its own
@pytest.mark.filterwarnings("ignore:The dirpath has changed from:UserWarning")
def test_a_resumed_manual_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def run(folder: str, epochs: int, resume: Path | None = None) -> Run:
        torch.manual_seed(7)
        keeper = ModelCheckpoint(tmp_path / folder / str(epochs), filename="{epoch}", every_n_epochs=12, save_top_k=-1)
        callbacks = [keeper, SequentialFitting(on_line())]
        trains = trainer(competitive(), tmp_path / folder, callbacks, max_epochs=epochs, logger=False)
        trains.train(ckpt_path=resume)
        return load(tmp_path / folder)

    run("parts", 12)
    whole, parts = run("whole", 24), run("parts", 24, tmp_path / "parts" / "12" / "epoch=11.ckpt")
    assert parts.steps.tolist() == whole.steps.tolist() == due(range(1, 25))
    np.testing.assert_array_equal(parts.prediction, whole.prediction)


def test_the_basis_is_that_of_the_solution_not_of_the_discriminator(tmp_path: Path) -> None:
    module = competitive()
    assert [m for m in module.modules() if isinstance(m, nn.Linear)][-1] is module.discriminator[2]
    trainer(module, tmp_path, [SequentialFitting(on_line())], max_epochs=5).train()
    run = load(tmp_path)
    assert "basis: input of layer '_pina_models.0.layers.4'" in run.notes
    assert np.isfinite(run.scalars["basis/projection_error"]).all()  # its weights make the prediction


def test_of_an_ensemble_the_mean_is_looked_at_or_one_member(tmp_path: Path) -> None:
    module = ensemble()
    probes = [on_line(), on_line(predict=PINA(member=0), name="first"), on_line(predict=PINA(member=2), name="third")]
    trainer(module, tmp_path, [SequentialFitting(probe) for probe in probes], max_epochs=5).train()
    mean, first, third = (load(tmp_path, name).prediction[-1] for name in ("", "first", "third"))
    x = torch.tensor(probes[0].geometry.points, dtype=torch.float32)
    with torch.no_grad():
        expected = [network(x)[:, 0].numpy() for network in module.models]
    np.testing.assert_allclose(first, expected[0], rtol=1e-6)
    np.testing.assert_allclose(third, expected[2], rtol=1e-6)
    np.testing.assert_allclose(mean, np.mean(expected, axis=0), rtol=1e-5, atol=1e-6)
    assert np.isfinite(load(tmp_path, "third").scalars["basis/projection_error"]).all()
    assert np.isnan(load(tmp_path).scalars["basis/projection_error"]).all()  # no one network makes the mean
    assert "basis: input of layer '_pina_models.2.layers.4'" in load(tmp_path).notes


def test_axes_are_found_by_name_in_whatever_order(tmp_path: Path) -> None:
    module = pinn(poisson())
    module.eval()
    turned = Probe.grid([(0.0, 0.5), (0.0, 1.0)], 0.0, axes=("y", "x"), resolution=8, predict=PINA())
    points = torch.tensor(turned.geometry.points, dtype=torch.float32)
    labelled = pina.LabelTensor(points, ["y", "x"])
    with torch.no_grad():
        expected = module(labelled).as_subclass(Tensor)[:, 0]
    np.testing.assert_allclose(turned.observe(module, np.zeros(64)).prediction, expected.numpy(), rtol=1e-6)
    assert not np.allclose(expected, module._pina_models[0](points)[:, 0].detach())


def test_a_solver_without_labels_is_looked_at_with_and_without_the_adapter() -> None:
    x = torch.linspace(0, 1, 20)[:, None]
    data = ready.SupervisedProblem(x, torch.sin(x))
    module = solver.SupervisedSingleModelSolver(data, Network(1, 12.0), use_lt=False)
    seen = [on_line(predict=predict).observe(module, np.zeros(512)).prediction for predict in (None, PINA())]
    np.testing.assert_array_equal(*seen)


def test_the_solution_of_the_problem_can_be_the_target(tmp_path: Path) -> None:
    def solution(points: Tensor) -> Tensor:
        t = pina.LabelTensor(points, ["t"])
        return torch.sin(WAVES * t.extract(["t"]))  # a LabelTensor, which has lost its labels

    trainer(pinn(), tmp_path, [SequentialFitting(on_line(target=solution))], max_epochs=3).train()
    run = load(tmp_path)
    np.testing.assert_allclose(run.target, np.sin(WAVES * run.points[:, 0]), atol=1e-5)


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "no adapter": (
        pinn,
        {"predict": None},
        r"the module raised AttributeError: .*'extract'; it was called with a tensor of shape \(512, 1\), "
        r"dtype torch\.float32.*pass predict=lightning_seqfit\.adapters\.PINA\(\)",
    ),
    "an ensemble as it comes": (
        ensemble,
        {"predict": lambda module, x: module(pina.LabelTensor(x, ["t"]))},
        r"predict returned a LabelTensor of shape \(3, 512, 1\), expected a tensor of shape \(512,\) or \(512, k\).*"
        r"pass predict=lightning_seqfit\.adapters\.PINA\(\)",
    ),
    "other axes": (
        lambda: pinn(poisson()),
        {"bounds": [(0.0, 1.0)] * 2, "axes": ["x", "t"], "resolution": 16, "target": 0.0},
        r"the module takes x, y, but the 2 axes of the probe are x, t: name each with axes=, such as axes=\['x', 'y'\]",
    ),
    "too few axes": (
        lambda: pinn(poisson()),
        {},
        r"the module takes x, y, but the 1 axes of the probe are t: give the probe one axis for each",
    ),
    "no such member": (ensemble, {"predict": PINA(member=3)}, r"member=3, but PhysicsInformedEnsembleSolver has 3 "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_refused_before_the_first_batch(case: str, tmp_path: Path) -> None:
    make, options, words = REFUSED[case]
    module = make()
    before = [p.clone() for p in module.parameters()]
    trains = trainer(module, tmp_path, [SequentialFitting(on_line(**options))])
    with pytest.raises((RuntimeError, ValueError, TypeError), match=words):
        trains.train()
    assert trains.fit_loop.epoch_loop.batch_progress.total.ready == 0
    assert_same(before, [p.clone() for p in module.parameters()])


def fit(made: Any, **options: Any) -> None:
    pina.Trainer(made, **options).train()


def test_a_fork_trains_as_pina_does_and_exchanges_the_network(tmp_path: Path) -> None:
    siren = {"network": "siren", "omega_0": 10.0, "inputs": "[-1, 1]"}
    table = fork(pinn, on_line(), siren, steps=2 * STEPS, seeds=[8], fit=fit)
    rows = {attempt.name.partition(",")[0]: attempt for attempt in table.attempts}
    assert rows["SIREN"].steps[0] < 2 * STEPS

    def watched(code: str) -> Run:
        seed(8)
        made = pinn()
        exec(code, {"module": made})
        folder = tmp_path / str(len(code))
        callbacks = [ErrorFront(on_line(), every_n_steps=5)]
        trainer(made, folder, callbacks, max_epochs=-1, max_steps=2 * STEPS, logger=CSVLogger(folder, "", "")).train()
        return load(folder)

    as_it_is = watched("").scalars["error/relative_rmse"][-1]
    assert rows["as it is"].error == (pytest.approx(as_it_is, rel=1e-4),)
    assert watched(rows["SIREN"].code).front.fitted[-1] > 0.98


@pytest.mark.parametrize("make", [ensemble, competitive])
def test_a_schedule_that_a_solver_steps_itself_is_stopped(make: Callable[[], Any]) -> None:
    rates: list[float] = []

    class Notes(L.Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def falling() -> Any:
        made = make()
        for number in range(len(made.optimizers)):
            made._pina_schedulers[number] = optim.TorchScheduler(
                torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1
            )
        return made

    callbacks = [Notes()]
    Notes.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]
    fork(falling, on_line(), {"schedule": "constant"}, steps=2, seeds=1, fit=fit, trainer={"callbacks": callbacks})
    assert [rate < 5e-3 for rate in rates[: len(rates) // 2]] == [True] * (len(rates) // 2)
    assert rates[len(rates) // 2 :] == [5e-3] * (len(rates) // 2)


def test_the_fork_of_the_page_runs_as_it_stands_there() -> None:
    (text,) = snippets(read("docs/howto/fork.md"))["PINA and TorchPhysics", "python"]
    names: dict[str, Any] = {}
    exec(text.replace("fit=lambda", "steps=4, seeds=1, fit=lambda"), names)
    assert {attempt.taken for attempt in names["table"].attempts} == {(4,)}


def test_neither_library_is_imported_for_the_adapters() -> None:
    code = "import lightning_seqfit.adapters, sys; "
    code += "assert not {'pina', 'torchphysics'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_snippets_of_the_page_run_as_they_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = snippets(read("docs/howto/pina.md"))
    (attach,), (of_condition,) = page["PINA", "python"], page["The residual of a condition", "python"]
    short = "max_epochs=6, accelerator='cpu', enable_progress_bar=False, enable_model_summary=False"
    assert "max_epochs=2_000" in attach
    names: dict[str, Any] = {}
    exec(attach.replace("max_epochs=2_000", short), names)
    run = load(names["trainer"].log_dir)
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6]
    exec(of_condition, names)
    solution, left = names["solution"], names["left"]
    points = torch.tensor(left.geometry.points, dtype=torch.float32)
    np.testing.assert_allclose(
        run.target, names["probe"].geometry.coarsen(solution(points).double().numpy()), atol=1e-6
    )

    class Known(nn.Module):
        """The solution itself, in the place of the network."""

        def forward(self, x: Tensor) -> Tensor:
            return solution(x)[:, None]

    names["solver"]._pina_models[0] = Known()
    assert np.abs(left.observe(names["solver"], np.zeros(len(points))).prediction).max() < 1e-3
