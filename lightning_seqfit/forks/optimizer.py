"""The optimizers of a training that has begun: their rates changed, or another one in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from lightning_seqfit.forks.change import CannotChangeError

#: Evaluations of the gradient in a step of L-BFGS, at the most.
EVALUATIONS = 25
#: What a group of parameters and a scheduler keep of the rate that was set.
_RATES_OF_GROUP = ("lr", "initial_lr", "max_lr", "min_lr")
_RATES_OF_SCHEDULER = ("base_lrs", "max_lrs", "_last_lr")


def change_optimizer(trainer: pl.Trainer, settings: Mapping[str, Any]) -> str:
    """Change what trains, before the first step.

    Parameters
    ----------
    trainer : with its optimizers made.
    settings : ``optimizer``, ``learning_rate`` (of the fastest group of parameters; the others keep their ratio to it),
        ``learning_rate_factor``, ``schedule``.

    Returns
    -------
    str
        Code that does the same where the optimizer is made.

    Raises
    ------
    CannotChangeError
        If that cannot be done.
    """
    optimizers = trainer.optimizers
    if not settings:
        return ""
    rates = [_set_rate(group) for optimizer in optimizers for group in optimizer.param_groups]
    if not rates:
        raise CannotChangeError("configure_optimizers returns no optimizer")
    lines = []
    if settings.get("schedule") == "constant":
        _stop_schedules(trainer)
        lines.append("# configure_optimizers returns the optimizer alone, without a schedule")
    factor = float(settings.get("learning_rate_factor", 1.0))
    if "learning_rate" in settings:
        factor *= settings["learning_rate"] / max(rates) if max(rates) > 0.0 else 0.0
    if "optimizer" in settings:
        rate = max(rates) * factor or settings.get("learning_rate", 0.0)
        lines.append(_exchange(trainer, settings["optimizer"], rate))
    elif {"learning_rate", "learning_rate_factor"} & settings.keys():
        if not factor:
            raise CannotChangeError("every learning rate is 0 as it is: change the optimizer too")
        _scale_rates(trainer, factor)
        change = f"= {rates[0] * factor:.6g}" if len(rates) == 1 else f"*= {factor:.6g}"
        lines.append(
            "# in configure_optimizers, before a schedule is made\n"
            f'for group in optimizer.param_groups:\n    group["lr"] {change}'
        )
    return "\n".join(lines)


def _set_rate(group: Mapping[str, Any]) -> float:
    """The rate as it was set, before a schedule."""
    return float(group.get("initial_lr", group["lr"]))


def _stop_schedules(trainer: pl.Trainer) -> None:
    """Let the rates be as they were set, whoever calls the schedules: a module may do so itself."""
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.get("initial_lr", group["lr"])
    for config in trainer.lr_scheduler_configs:
        scheduler: Any = config.scheduler
        scheduler.step = lambda *args, **options: None


def _scale_rates(trainer: pl.Trainer, factor: float) -> None:
    """Multiply every rate, and those that schedules start from."""
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            for name in _RATES_OF_GROUP:
                if isinstance(group.get(name), int | float | torch.Tensor):
                    group[name] = group[name] * factor
    waiting: list[Any] = [config.scheduler for config in trainer.lr_scheduler_configs]
    while waiting:
        scheduler = waiting.pop()
        waiting += getattr(scheduler, "_schedulers", [])
        for name in _RATES_OF_SCHEDULER:
            if isinstance(rates := getattr(scheduler, name, None), list):
                setattr(scheduler, name, [rate * factor for rate in rates])


def _exchange(trainer: pl.Trainer, name: str, rate: float) -> str:
    """Let another optimizer, without a schedule, train what the one of the module trains."""
    if len(trainer.optimizers) > 1:
        raise CannotChangeError("it has several optimizers, and which of them is to be another one cannot be told")
    (old,) = trainer.optimizers
    module: Any = trainer.lightning_module
    if name == "lbfgs" and not module.automatic_optimization:
        raise CannotChangeError("its manual optimization passes no closure, which L-BFGS needs")
    groups = [{"params": group["params"], "lr": rate * _share(group, old)} for group in old.param_groups]
    everything = [parameter for group in old.param_groups for parameter in group["params"]]
    new: torch.optim.Optimizer
    if name == "lbfgs":
        new = torch.optim.LBFGS(everything, max_eval=EVALUATIONS, line_search_fn="strong_wolfe")
        code = f'torch.optim.LBFGS(module.parameters(), max_eval={EVALUATIONS}, line_search_fn="strong_wolfe")'
    elif name == "soap":
        try:
            from pytorch_optimizer import SOAP
        except ImportError as error:
            raise CannotChangeError('SOAP is not installed: pip install "lightning-seqfit[soap]"') from error
        new = SOAP(groups, lr=rate, weight_decay=0.0)
        code = f"pytorch_optimizer.SOAP(module.parameters(), lr={rate:.6g}, weight_decay=0.0)"
    else:
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
        new = kind(groups, lr=rate)
        code = f"torch.optim.{kind.__name__}(module.parameters(), lr={rate:.6g})"
    _stop_schedules(trainer)
    trainer.optimizers = [new]
    return f"# in configure_optimizers, without a schedule\noptimizer = {code}"


def _share(group: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> float:
    """A group's rate over the highest of its optimizer."""
    highest = max(map(_set_rate, optimizer.param_groups))
    return _set_rate(group) / highest if highest > 0.0 else 1.0


def check_trains(trainer: pl.Trainer, network: nn.Module) -> None:
    """Refuse a network that no optimizer trains.

    Raises
    ------
    CannotChangeError
        If the optimizers were made of other weights.
    """
    trained = {
        id(parameter)
        for optimizer in trainer.optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    if not all(id(parameter) in trained for parameter in network.parameters() if parameter.requires_grad):
        raise CannotChangeError(
            "the module's optimizer does not train the network's weights as they are after the change: it was made "
            "before, or of a part of them"
        )


def evaluations(trainer: pl.Trainer) -> int:
    """Evaluations of the gradient that L-BFGS has made; 0: it does not train."""
    lbfgs = [optimizer for optimizer in trainer.optimizers if isinstance(optimizer, torch.optim.LBFGS)]
    return sum(int(state.get("func_evals", 0)) for optimizer in lbfgs for state in optimizer.state.values())
