"""LightningModules of the demos: a small network that fits one target, by full-batch gradient descent.

They are ordinary LightningModules and know nothing of the callbacks. ``forward`` takes points in the target's own
units and returns values in the target's own units; what the network sees in between is the module's business.

Setup from C. Rowan and F. Murphy-Blanchard, "Sequential Fitting", Towards Data Science, 2026: two hidden layers, tanh,
Adam at 5e-3, the target ``sin(26 pi x)``. Widths, the domain [0, 1], the 400 training points and everything about the
SIREN and the CO2 record are this project's own.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias, get_args

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.demos.networks import SIREN, FourierFeatureMLP, TanhMLP
from lightning_seqfit.demos.targets import sine

__all__ = ["SIRENCO2", "FunctionRegression", "Regression", "SIRENRegression", "TanhCO2", "TanhRegression"]

OptimizerName: TypeAlias = Literal["adam", "sgd", "lbfgs", "soap"]
NetworkName: TypeAlias = Literal["tanh", "siren", "fourier"]
Target: TypeAlias = Callable[[Tensor], Tensor]

STEPS_PER_EPOCH = 1_000


class Regression(L.LightningModule):
    """Fit given values at given points with a network; the base of the other demo modules.

    Every step sees all points, and an epoch is 1,000 steps, so that Lightning's work at the end of an epoch costs
    nothing. The logged ``train_loss`` is the mean squared error in the units that the network sees.

    Parameters
    ----------
    network : nn.Module
        Maps (N, d) to (N, 1).
    points : Tensor or ndarray, shape (N, d) or (N,)
        Where the target is known, in its own units.
    values : Tensor or ndarray, shape (N,) or (N, 1)
        The target at the points, in its own units.
    normalize : bool
        Whether the network sees points mapped affinely to [-1, 1] per coordinate and values of mean 0 and standard
        deviation 1. If not, it sees both as they are.
    learning_rate : float
        Step size of Adam or SGD. L-BFGS does not use it: it searches along each line from step 1 by the strong Wolfe
        conditions.
    optimizer : {"adam", "sgd", "lbfgs", "soap"}
        All with PyTorch's defaults, SGD without momentum; one step of L-BFGS is up to 20 iterations. SOAP
        (Vyas et al. 2024, arXiv:2409.11321) is that of the package pytorch-optimizer, which the extra
        ``lightning-seqfit[soap]`` installs.

    Raises
    ------
    ValueError
        If the shapes do not match, a number is not finite, ``normalize`` meets a constant coordinate or constant
        values, or ``learning_rate`` or ``optimizer`` is not as above.

    Examples
    --------
    >>> import lightning as L, torch
    >>> from lightning_seqfit.demos import Regression, TanhMLP
    >>> years = torch.linspace(1960, 2000, 81)
    >>> module = Regression(TanhMLP(width=8), years, 300 + 0.03 * (years - 1960) ** 2, normalize=True)
    >>> module(torch.tensor([[1970.0], [1990.0]])).shape
    torch.Size([2, 1])
    """

    centre: Tensor
    half_width: Tensor
    offset: Tensor
    scale: Tensor
    inputs: Tensor
    targets: Tensor

    def __init__(
        self,
        network: nn.Module,
        points: Tensor | NDArray[np.floating],
        values: Tensor | NDArray[np.floating],
        *,
        normalize: bool = False,
        learning_rate: float = 1e-3,
        optimizer: OptimizerName = "adam",
    ) -> None:
        super().__init__()
        if optimizer not in get_args(OptimizerName):
            raise ValueError(
                f"optimizer={optimizer!r} is not available: use one of {', '.join(get_args(OptimizerName))}"
            )
        if not (math.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"learning_rate={learning_rate!r} is no step size: give a positive, finite number")
        if optimizer == "soap":
            _soap()  # says now if it is not installed
        self.network = network
        self.learning_rate = learning_rate
        self.optimizer_name = optimizer

        points, values = _table(points, values)
        centre, half_width = torch.zeros_like(points[0]), torch.ones_like(points[0])
        offset, scale = torch.zeros_like(values[0]), torch.ones_like(values[0])
        if normalize:
            lowest, highest = points.amin(dim=0), points.amax(dim=0)
            centre, half_width = (highest + lowest) / 2, (highest - lowest) / 2
            offset, scale = values.mean(dim=0), values.std(dim=0, correction=0)
            if (half_width == 0).any() or (scale == 0).any():
                raise ValueError(
                    f"normalize=True needs points and values that vary, not points within {lowest.tolist()} to "
                    f"{highest.tolist()} and values of standard deviation {scale.tolist()}: use normalize=False"
                )

        # Normalised in float64 before the cast: a year as float32 is known to 1e-4 years only.
        dtype = torch.get_default_dtype()
        self.register_buffer("centre", centre.to(dtype))
        self.register_buffer("half_width", half_width.to(dtype))
        self.register_buffer("offset", offset.to(dtype))
        self.register_buffer("scale", scale.to(dtype))
        self.register_buffer("inputs", ((points - centre) / half_width).to(dtype), persistent=False)
        self.register_buffer("targets", ((values - offset) / scale).to(dtype), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """Predict the target.

        Parameters
        ----------
        points : Tensor, shape (N, d)
            Where to predict, in the target's own units.

        Returns
        -------
        Tensor, shape (N, 1)
            The prediction, in the target's own units.
        """
        prediction: Tensor = self.network((points - self.centre) / self.half_width)
        return prediction * self.scale + self.offset

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean squared error of a batch as the network sees it: inputs (N, d), targets (N, 1)."""
        inputs, targets = batch
        loss = nn.functional.mse_loss(self.network(inputs), targets)
        # Lightning takes as long over a value that it then drops as over one that it logs: a third of a step.
        interval = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if interval and (self.global_step + 1) % interval == 0:
            self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer that was asked for."""
        if self.optimizer_name == "lbfgs":
            return torch.optim.LBFGS(self.parameters(), line_search_fn="strong_wolfe")
        if self.optimizer_name == "sgd":
            return torch.optim.SGD(self.parameters(), lr=self.learning_rate)
        if self.optimizer_name == "soap":
            return _soap()(self.parameters(), lr=self.learning_rate, weight_decay=0.0)
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def train_dataloader(self) -> FullBatch:
        """Return an epoch of 1,000 times the full batch, on the module's device."""
        return FullBatch((self.inputs, self.targets), STEPS_PER_EPOCH)


class TanhRegression(Regression):
    """A tanh network that fits a target on [0, 1]: by default one oscillation after another.

    The network sees x and the target as they are.

    Parameters
    ----------
    target : callable or str
        Points of shape (N, 1) to values of shape (N,) or (N, 1), or the dotted path of such a function.
    training_points : int
        Number of equally spaced points on [0, 1], both ends included.
    width, depth : int
        Units in a hidden layer, and number of hidden layers, of :class:`~lightning_seqfit.demos.TanhMLP`.
    learning_rate, optimizer
        As for :class:`Regression`.

    Examples
    --------
    >>> import lightning as L
    >>> from lightning_seqfit.demos import TanhRegression
    >>> module = TanhRegression(width=10)
    >>> trainer = L.Trainer(
    ...     max_steps=2, accelerator="cpu", logger=False,
    ...     enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    ... )
    >>> trainer.fit(module)
    >>> module.hparams.target
    'lightning_seqfit.demos.targets.sine'
    """

    def __init__(
        self,
        target: Target | str = sine,
        training_points: int = 400,
        width: int = 50,
        depth: int = 2,
        learning_rate: float = 5e-3,
        optimizer: OptimizerName = "adam",
    ) -> None:
        super().__init__(
            TanhMLP(width=width, depth=depth),
            *_samples(target, training_points),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


class SIRENRegression(Regression):
    """A SIREN that fits a target on [0, 1]: everywhere at once.

    The network sees x and the target as they are.

    Parameters
    ----------
    target : callable or str
        Points of shape (N, 1) to values of shape (N,) or (N, 1), or the dotted path of such a function.
    training_points : int
        Number of equally spaced points on [0, 1], both ends included.
    width, depth, omega_0
        Units in a hidden layer, number of hidden layers, and angular frequency of
        :class:`~lightning_seqfit.demos.SIREN`.
    learning_rate, optimizer
        As for :class:`Regression`.

    Examples
    --------
    >>> from lightning_seqfit.demos import SIRENRegression
    >>> SIRENRegression(target="lightning_seqfit.demos.targets.cosine").hparams.omega_0
    30.0
    """

    def __init__(
        self,
        target: Target | str = sine,
        training_points: int = 400,
        width: int = 50,
        depth: int = 2,
        omega_0: float = 30.0,
        learning_rate: float = 1e-3,
        optimizer: OptimizerName = "adam",
    ) -> None:
        super().__init__(
            SIREN(width=width, depth=depth, omega_0=omega_0),
            *_samples(target, training_points),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


class TanhCO2(Regression):
    """A tanh network that fits the monthly CO2 record of Mauna Loa: the trend, and none of its yearly cycles.

    ``forward`` takes decimal years and returns ppm.

    Parameters
    ----------
    width, depth : int
        Units in a hidden layer, and number of hidden layers, of :class:`~lightning_seqfit.demos.TanhMLP`.
    learning_rate, optimizer
        As for :class:`Regression`.
    weekly : bool
        Whether to train on the weekly record with its gaps instead.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import TanhCO2
    >>> TanhCO2()(torch.tensor([[1960.5], [2000.0]])).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        learning_rate: float = 5e-3,
        optimizer: OptimizerName = "adam",
        weekly: bool = False,
    ) -> None:
        super().__init__(
            TanhMLP(width=width, depth=depth),
            *(co2_weekly() if weekly else co2_monthly()),
            normalize=True,
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        self.save_hyperparameters()


class SIRENCO2(Regression):
    """A SIREN that fits the monthly CO2 record of Mauna Loa: the trend and its yearly cycles.

    ``forward`` takes decimal years and returns ppm.

    Parameters
    ----------
    width, depth, omega_0
        Units in a hidden layer, number of hidden layers, and angular frequency of
        :class:`~lightning_seqfit.demos.SIREN`.
    learning_rate, optimizer
        As for :class:`Regression`.
    weekly : bool
        Whether to train on the weekly record with its gaps instead.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import SIRENCO2
    >>> SIRENCO2()(torch.tensor([[1960.5], [2000.0]])).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        omega_0: float = 30.0,
        learning_rate: float = 1e-3,
        optimizer: OptimizerName = "adam",
        weekly: bool = False,
    ) -> None:
        super().__init__(
            SIREN(width=width, depth=depth, omega_0=omega_0),
            *(co2_weekly() if weekly else co2_monthly()),
            normalize=True,
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        self.save_hyperparameters()


class FunctionRegression(Regression):
    """Fit a function on a box, along one axis or several, with any network and optimizer of the demos.

    The network sees points and values as they are. Its sizes and rates are this project's own: width 50 along a line
    and 64 in the plane; omega_0 30 and 10; Fourier features of standard deviation 10 and 2 cycles a unit, both divided
    by the length of the box (in the plane half of it).

    Parameters
    ----------
    target : callable or str
        Points of shape (N, d) to values of shape (N,) or (N, 1), or the dotted path of such a function.
    bounds : list of [low, high]
        One for each axis.
    network : {"tanh", "siren", "fourier"}
    optimizer : {"adam", "sgd", "lbfgs", "soap"}
        As for :class:`Regression`.
    learning_rate : float, optional
        Default: 5e-3, for the SIREN 1e-3, for SOAP 1e-2.
    training_points : int, optional
        Number along each axis, equally spaced, both ends included; default 400 along a line and 64 in the plane.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import FunctionRegression
    >>> module = FunctionRegression("lightning_seqfit.demos.plane_wave", bounds=[[-1, 1], [-1, 1]], network="siren")
    >>> module(torch.zeros(7, 2)).shape
    torch.Size([7, 1])
    """

    def __init__(
        self,
        target: Target | str,
        bounds: Sequence[Sequence[float]] = ((0.0, 1.0),),
        network: NetworkName = "tanh",
        optimizer: OptimizerName = "adam",
        learning_rate: float | None = None,
        training_points: int | None = None,
    ) -> None:
        if not bounds or not all(len(pair) == 2 and pair[0] < pair[1] for pair in bounds):
            raise ValueError(f"bounds={bounds!r} is not a box: give one [low, high] per axis, such as [[0.0, 1.0]]")
        dimension = len(bounds)
        width, omega_0, scale = (50, 30.0, 10.0) if dimension == 1 else (64, 10.0, 4.0)
        length = max(high - low for low, high in bounds)
        makers: dict[str, Callable[[], nn.Module]] = {
            "tanh": lambda: TanhMLP(dimension, width),
            "siren": lambda: SIREN(dimension, width, omega_0=omega_0),
            "fourier": lambda: FourierFeatureMLP(dimension, width, scale=scale / length),
        }
        if network not in makers:
            raise ValueError(f"network={network!r} is not available: use one of {', '.join(makers)}")
        count = (400 if dimension == 1 else 64) if training_points is None else training_points
        if count < 2:
            raise ValueError(f"training_points={count!r} do not span the box: give a whole number of at least 2")
        if learning_rate is None:
            learning_rate = 1e-2 if optimizer == "soap" else 1e-3 if network == "siren" else 5e-3
        axes = [torch.linspace(low, high, count, dtype=torch.get_default_dtype()) for low, high in bounds]
        points = torch.stack([axis.ravel() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)
        function = _import(target) if isinstance(target, str) else target
        super().__init__(
            makers[network](),
            points,
            function(points),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


class FullBatch:
    """One batch, given ``steps`` times.

    It stands in for ``DataLoader([batch] * steps, batch_size=None)``, for which Lightning warns of too few workers.

    Parameters
    ----------
    batch : tuple of Tensor
        All inputs and all targets.
    steps : int
        Length of an epoch.

    Examples
    --------
    >>> import torch
    >>> len(FullBatch((torch.zeros(400, 1), torch.zeros(400, 1)), steps=1_000))
    1000
    """

    def __init__(self, batch: tuple[Tensor, Tensor], steps: int) -> None:
        self.batch = batch
        self.steps = steps

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the batch ``steps`` times."""
        for _ in range(self.steps):
            yield self.batch


def _soap() -> Callable[..., torch.optim.Optimizer]:
    try:
        from pytorch_optimizer import SOAP
    except ImportError as error:
        raise ImportError(
            "optimizer='soap' is in the package pytorch-optimizer, which is not installed: "
            "pip install 'lightning-seqfit[soap]', or take another optimizer"
        ) from error
    return SOAP


def _samples(target: Target | str, training_points: int) -> tuple[Tensor, Tensor]:
    """Return equally spaced points on [0, 1], shape (N, 1), and the target there."""
    if isinstance(training_points, bool) or not isinstance(training_points, int) or training_points < 2:
        raise ValueError(
            f"training_points={training_points!r} do not span [0, 1]: give a whole number of at least 2, "
            "for an oscillating target several per oscillation"
        )
    points = torch.linspace(0, 1, training_points, dtype=torch.get_default_dtype())[:, None]
    function = _import(target) if isinstance(target, str) else target
    return points, function(points)


def _import(path: str) -> Target:
    module_name, _, name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"target={path!r} cannot be imported: give a function, or its dotted path, "
            "such as 'lightning_seqfit.demos.targets.sine'"
        ) from error
    if not callable(function):
        raise ValueError(f"target={path!r} is no function but {function!r}: give a function, or its dotted path")
    return function  # type: ignore[no-any-return]


def _dotted_path(target: Target | str) -> str:
    """Return what a checkpoint can hold of a target, and ``weights_only`` loading accepts: its dotted path.

    A function without one, such as a lambda, gets a path that cannot be imported: loading the checkpoint then says so
    and asks for ``target``.
    """
    if isinstance(target, str):
        return target
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', repr(target))}"


def _table(points: Tensor | NDArray[np.floating], values: Tensor | NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Return points (N, d) and values (N, 1) in float64, on the CPU."""
    points = torch.as_tensor(points).detach().to("cpu", torch.float64)
    values = torch.as_tensor(values).detach().to("cpu", torch.float64)
    shapes = f"points of shape {tuple(points.shape)} and values of shape {tuple(values.shape)}"
    points = points[:, None] if points.ndim == 1 else points
    values = values[:, None] if values.ndim == 1 else values
    if points.ndim != 2 or values.shape != (len(points), 1) or points.numel() == 0:
        raise ValueError(f"{shapes} do not belong together: give points (N, d) and values (N,), one row per point")
    if not (points.isfinite().all() and values.isfinite().all()):
        raise ValueError(f"{shapes} hold numbers that are not finite: leave out the rows with gaps")
    return points, values
