"""One fit of a target, full batch, which can be left at any step and gone on with, in another process too."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.functional import mse_loss

from lightning_seqfit.networks import build
from lightning_seqfit.planning import Recipe
from lightning_seqfit.trials.task import Eye

#: Share of the active points that must be fitted, at two looks in a row.
FITTED = 0.98
#: Two looks are this many times as many steps apart.
PACE = 1.08


@dataclass(frozen=True)
class Fit:
    """How far one network has come with one seed.

    Attributes
    ----------
    recipe, seed : what is trained, and from where.
    step : steps so far; ``seconds``: of training, looks apart.
    fitted, error : at the last look; NaN: there was none.
    since, since_seconds : the look from which on it is fitted, up to the last one; ``inf``: it is not.
    reached, reached_seconds : the first look from which on it was also fitted at the next; ``inf``: not yet.
    why : why nothing more can come of it; empty: it can go on, or is fitted.
    state : network, optimizer and generator at ``step``; empty: it has not begun.
    """

    recipe: Recipe
    seed: int
    step: int = 0
    seconds: float = 0.0
    fitted: float = math.nan
    error: float = math.nan
    since: float = math.inf
    since_seconds: float = math.inf
    reached: float = math.inf
    reached_seconds: float = math.inf
    why: str = ""
    state: bytes = b""

    @property
    def ended(self) -> bool:
        """Whether it is fitted, or nothing more can come of it."""
        return math.isfinite(self.reached) or bool(self.why)


def next_look(step: int) -> int:
    """Step of the look that follows one.

    Examples
    --------
    >>> [next_look(step) for step in (0, 1, 12, 100, 1000)]
    [1, 2, 13, 108, 1080]
    """
    return max(step + 1, round(PACE * step))


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Make the optimizer of a recipe, as its code does."""
    if recipe.optimizer == "soap":
        from pytorch_optimizer import SOAP

        soap: torch.optim.Optimizer = SOAP(
            network.parameters(), lr=recipe.learning_rate, weight_decay=0.0, eps=recipe.epsilon
        )
        return soap
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=recipe.learning_rate)
    return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, eps=recipe.epsilon)


def go_on(
    fit: Fit, eye: Eye, until: int, seconds: float = math.inf, clock: Callable[[], float] = time.perf_counter
) -> Fit:
    """Train up to a step, until it is fitted, or as long as there is time; whatever raises ends the fit.

    What comes out at a step does not depend on where it was left and gone on with. Generators and settings of torch are
    as they were afterwards.

    Parameters
    ----------
    fit : so far.
    eye : looks at it.
    until : step.
    seconds : that it may take, by the clock.
    """
    end, threads = clock() + seconds, torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            return _trained(fit, eye, until, end, clock)
    except Exception as error:  # out of memory, or an optimizer that fails
        return replace(fit, why=f"it raised {type(error).__name__}: {_first_line(error)}", state=b"")
    finally:
        torch.set_num_threads(threads)


def _trained(fit: Fit, eye: Eye, until: int, end: float, clock: Callable[[], float]) -> Fit:
    torch.manual_seed(fit.seed)
    network = build(fit.recipe)
    optimizer = make_optimizer(fit.recipe, network)
    points, values = eye.task.training(next(network.parameters()))
    if fit.state:
        state = torch.load(io.BytesIO(fit.state), weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generator"])
    looks = _looks_from(fit.step)
    while fit.step < until and not fit.ended and clock() < end:
        stop, begun, step = min(looks, until), clock(), fit.step
        while step < stop and clock() < end:
            optimizer.zero_grad()
            mse_loss(network(points), values).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
        fit = replace(fit, step=step, seconds=fit.seconds + clock() - begun)
        if step == looks:
            fit = _looked(fit, *eye.look(network))
            looks = next_look(step)
    kept = io.BytesIO()
    if not fit.ended:
        generator = torch.get_rng_state()
        torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "generator": generator}, kept)
    return replace(fit, state=kept.getvalue())


def _looked(fit: Fit, fitted: float, error: float) -> Fit:
    """A fit after a look."""
    if not math.isfinite(error):
        return replace(fit, fitted=fitted, error=error, why=f"diverged by step {fit.step:,}")
    fit = replace(fit, fitted=fitted, error=error)
    if fitted < FITTED:
        return replace(fit, since=math.inf, since_seconds=math.inf)
    if math.isfinite(fit.since):
        return replace(fit, reached=fit.since, reached_seconds=fit.since_seconds)
    return replace(fit, since=fit.step, since_seconds=fit.seconds)


def _looks_from(step: int) -> int:
    """The first look after a step."""
    look = 1
    while look <= step:
        look = next_look(look)
    return look


def _first_line(error: Exception) -> str:
    said = str(error).strip().partition("\n")[0]
    return said if len(said) <= 120 else f"{said[:117]}..."
