"""What is recommended for a target, with the reason of each and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from lightning_seqfit.planning.advised import Advised, Box
from lightning_seqfit.planning.recipe import Recipe
from lightning_seqfit.planning.words import as_dict, table


@dataclass(frozen=True)
class Plan:
    """What a target asks of a network.

    Attributes
    ----------
    axes, bounds : of the domain, one each an axis.
    frequencies : highest frequency that matters along each axis, in cycles per domain; 0: nothing oscillates along it.
    network : the name of what is recommended first: ``"tanh"``, ``"siren"`` or ``"fourier"``.
    omega_0, sigma : of a SIREN, and of Fourier features in cycles per unit, as the network sees its inputs.
    rates : learning rates for Adam, by the name of the network.
    width, depth : of the hidden layers.
    evenly, at_random : training points: evenly spaced, a number an axis, and in all at random places.
    inputs : to what they are scaled, or ``"as they are"``.
    values : ``"standardised"`` (to mean 0 and deviation 1), or ``"as they are"``.
    tanh : steps that a plain tanh network takes, with low and high; ``inf``: it will not do.
    box : what is mapped to [-1, 1] along each axis; None: the inputs stay as they are.
    mean, scale : of the values, a number an output.
    notes : what could not be said, and why.
    """

    axes: tuple[str, ...]
    bounds: Box
    frequencies: tuple[float, ...]
    network: Advised
    omega_0: Advised
    sigma: Advised
    rates: dict[str, Advised]
    width: Advised
    depth: Advised
    evenly: Advised
    at_random: Advised
    inputs: Advised
    values: Advised
    tanh: Advised
    box: Box | None = None
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    notes: tuple[str, ...] = ()

    def recipe(self, network: str | None = None) -> Recipe:
        """What to train: by default the network that is recommended.

        Raises
        ------
        ValueError
            If there is no such network, or nothing is known for it.
        """
        network = network or self.network.value
        if network not in self.rates:
            raise ValueError(f"network={network!r} is not in the plan: use one of {', '.join(self.rates)}")
        recipe = Recipe(
            network,
            len(self.axes),
            len(self.mean),
            self.width.value,
            self.depth.value,
            bounds=self.box,
            learning_rate=self.rates[network].value,
        )
        if self.values.value != "as they are":
            recipe = replace(recipe, mean=self.mean, scale=self.scale)
        if network == "siren":
            return replace(recipe, omega_0=self.omega_0.value)
        return replace(recipe, sigma=self.sigma.value) if network == "fourier" else recipe

    def code(self, network: str | None = None) -> str:
        """Python to paste, which makes ``network`` and ``optimizer``."""
        return self.recipe(network).code()

    def __str__(self) -> str:
        """Return all of it as a table."""
        return table(self)

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold, with the code of each network; None: infinite or not known.

        Examples
        --------
        >>> import torch
        >>> from lightning_seqfit import Probe
        >>> plan = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0])).plan()
        >>> plan.as_dict()["omega_0"]["value"], list(plan.as_dict()["code"])
        (34.3, ['siren', 'fourier', 'tanh'])
        """
        return as_dict(self)

    def advised(self) -> Iterator[tuple[str, Advised]]:
        """Every recommendation by its name."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Advised):
                yield each.name, value
        for network, rate in self.rates.items():
            yield f"learning rate, {network}", rate


class Planned(Protocol):
    """What knows a target: a probe, or a run."""

    def plan(self) -> Plan:
        """What its target asks of a network."""


def plan(source: Planned) -> Plan:
    """Say what a target asks of a network, from the target alone.

    Parameters
    ----------
    source : a :class:`~lightning_seqfit.Probe`, or a :class:`~lightning_seqfit.Run` with a target.

    Raises
    ------
    ValueError
        If there is no target, it is noise or constant, or it has fewer points than it oscillates.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> found = plan(Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0])))
    >>> found.frequencies, round(found.omega_0.value, 1)
    ((13.0,), 34.3)
    """
    return source.plan()
