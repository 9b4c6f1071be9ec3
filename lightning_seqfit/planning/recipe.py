"""A network with its optimizer as plain values, and the code that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: What Adam adds to the size of a gradient, of values of at least this deviation, and the least of it.
EPSILON, SMALL, LEAST_EPSILON = 1e-8, 0.01, 1e-20
#: Optimizers by name: what is imported, and how it is made.
_OPTIMIZERS = {
    "adam": ("", "torch.optim.Adam(network.parameters(), lr={rate}{epsilon})"),
    "sgd": ("", "torch.optim.SGD(network.parameters(), lr={rate})"),
    "soap": (
        'from pytorch_optimizer import SOAP  # pip install "lightning-seqfit[soap]"\n',
        "SOAP(network.parameters(), lr={rate}, weight_decay=0.0{epsilon})",
    ),
}
_CLASSES = {"siren": "SIREN", "fourier": "FourierFeatureMLP", "tanh": "TanhMLP"}


@dataclass(frozen=True)
class Recipe:
    """What is trained, and by what.

    Attributes
    ----------
    network : ``"siren"``, ``"fourier"``, ``"tanh"``, or another activation of a multilayer perceptron.
    in_features, out_features, width, depth : sizes.
    omega_0 : of a SIREN; ``sigma`` and ``features``: spread of the Fourier features' frequencies, in cycles per unit of
        what the network sees, and their number.
    bounds : box that is mapped to [-1, 1] along each axis; None: inputs stay as they are.
    mean, scale : of the values, a number for each output; the network learns (value - mean) / scale.
    optimizer : ``"adam"``, ``"sgd"`` or ``"soap"``.
    learning_rate : of the optimizer.

    Examples
    --------
    >>> print(Recipe("siren", omega_0=41.0, learning_rate=5e-4).code())
    import torch
    from lightning_seqfit.networks import SIREN
    <BLANKLINE>
    network = SIREN(in_features=1, width=64, depth=2, out_features=1, omega_0=41.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.0005)
    """

    network: str = "tanh"
    in_features: int = 1
    out_features: int = 1
    width: int = 64
    depth: int = 2
    omega_0: float = 30.0
    sigma: float = 10.0
    features: int = 32
    bounds: tuple[tuple[float, float], ...] | None = None
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    optimizer: str = "adam"
    learning_rate: float = 1e-3

    @property
    def is_scaled(self) -> bool:
        """Whether the network is put into a frame that maps points or values."""
        return self.bounds is not None or any(self.mean) or any(scale != 1.0 for scale in self.scale)

    @property
    def epsilon(self) -> float:
        """What Adam and SOAP add to the size of a gradient.

        The gradients of a squared error in the values' own units are as small as the square of their deviation; what is
        added must be so too, or they are nothing beside it.

        Examples
        --------
        >>> Recipe().epsilon, Recipe(scale=(1e-3,)).epsilon
        (1e-08, 1e-14)
        """
        largest = max(map(abs, self.scale))
        return EPSILON if largest >= SMALL else max(float(f"{EPSILON * largest**2:.1g}"), LEAST_EPSILON)

    def code(self) -> str:
        """Python that makes ``network`` and ``optimizer``, to paste."""
        name = _CLASSES.get(self.network, "MLP")
        sizes = (
            f"in_features={self.in_features}, width={self.width}, depth={self.depth}, out_features={self.out_features}"
        )
        own = {
            "siren": f", omega_0={_number(self.omega_0)}",
            "fourier": f", features={self.features}, scale={_number(self.sigma)}",
            "tanh": "",
        }.get(self.network, f', activation="{self.network}"')
        made = f"{name}({sizes}{own})"
        names = [name]
        if self.is_scaled:
            names.append("Scaled")
            lines = [f"    {made},"]
            if self.bounds is not None:
                pairs = ", ".join(f"({_number(low)}, {_number(high)})" for low, high in self.bounds)
                lines.append(f"    bounds=[{pairs}],")
            lines += [f"    mean={_numbers(self.mean)},", f"    scale={_numbers(self.scale)},"]
            made = "Scaled(\n" + "\n".join(lines) + "\n)"
        imported, optimizer = _OPTIMIZERS[self.optimizer]
        epsilon = "" if self.epsilon == EPSILON else f", eps={_number(self.epsilon)}"
        return (
            f"import torch\n{imported}from lightning_seqfit.networks import {', '.join(names)}\n\nnetwork = {made}\n"
            f"optimizer = {optimizer.format(rate=_number(self.learning_rate), epsilon=epsilon)}"
        )


def _number(value: float) -> str:
    return repr(float(value))


def _numbers(values: Sequence[float]) -> str:
    return _number(values[0]) if len(values) == 1 else f"[{', '.join(map(_number, values))}]"
