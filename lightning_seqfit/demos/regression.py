"""The base of the demo modules: fit given values at given points, by full-batch gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, get_args

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["STEPS_PER_EPOCH", "FullBatch", "OptimizerName", "Regression", "log_when_asked"]

OptimizerName: TypeAlias = Literal["adam", "sgd", "lbfgs", "soap"]

STEPS_PER_EPOCH = 1_000


class Regression(L.LightningModule):
    """Fit given values at given points with a network; the base of the other demo modules.

    Every step sees all points, and an epoch is 1,000 steps, so that Lightning's work at the end of an epoch costs
    nothing. The logged ``train_loss`` is the mean squared error in the units that the network sees.

    Parameters
    ----------
    network : nn.Module
        Maps (N, d) to (N, k).
    points : Tensor or ndarray, shape (N, d) or (N,)
        Where the target is known, in its own units.
    values : Tensor or ndarray, shape (N,) or (N, k)
        The target at the points, in its own units.
    normalize : bool
        Whether the network sees points mapped affinely to [-1, 1] per coordinate and values of mean 0 and standard
        deviation 1 per component. If not, it sees both as they are.
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
        """Predict the target at points (N, d), both in its own units, shape (N, k)."""
        prediction: Tensor = self.network((points - self.centre) / self.half_width)
        return prediction * self.scale + self.offset

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean squared error of a batch as the network sees it: inputs (N, d), targets (N, k)."""
        inputs, targets = batch
        loss = nn.functional.mse_loss(self.network(inputs), targets)
        log_when_asked(self, loss)
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


class FullBatch:
    """One batch (inputs and targets), given ``steps`` times, which is an epoch.

    It stands in for ``DataLoader([batch] * steps, batch_size=None)``, for which Lightning warns of too few workers.
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


def log_when_asked(module: L.LightningModule, loss: Tensor) -> None:
    """Log ``train_loss`` where Lightning takes it: a value that it drops costs as much, a third of a step."""
    interval = module.trainer.log_every_n_steps  # type: ignore[attr-defined]
    if interval and (module.global_step + 1) % interval == 0:
        module.log("train_loss", loss)


def _soap() -> Callable[..., torch.optim.Optimizer]:
    try:
        from pytorch_optimizer import SOAP
    except ImportError as error:
        raise ImportError(
            "optimizer='soap' is in the package pytorch-optimizer, which is not installed: "
            "pip install 'lightning-seqfit[soap]', or take another optimizer"
        ) from error
    return SOAP


def _table(points: Tensor | NDArray[np.floating], values: Tensor | NDArray[np.floating]) -> tuple[Tensor, Tensor]:
    """Return points (N, d) and values (N, k) in float64, on the CPU."""
    points = torch.as_tensor(points).detach().to("cpu", torch.float64)
    values = torch.as_tensor(values).detach().to("cpu", torch.float64)
    shapes = f"points of shape {tuple(points.shape)} and values of shape {tuple(values.shape)}"
    points = points[:, None] if points.ndim == 1 else points
    values = values[:, None] if values.ndim == 1 else values
    if points.ndim != 2 or values.ndim != 2 or len(values) != len(points) or 0 in (points.numel(), values.numel()):
        raise ValueError(
            f"{shapes} do not belong together: give points (N, d) and values (N,) or (N, k), one row per point"
        )
    if not (points.isfinite().all() and values.isfinite().all()):
        raise ValueError(f"{shapes} hold numbers that are not finite: leave out the rows with gaps")
    return points, values
