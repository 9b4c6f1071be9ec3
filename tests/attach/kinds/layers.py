"""Layers that carry state: recurrent, pruned, normed, quantised, metrics, hooks, caches, layers made on demand."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import torch
import torch.ao.quantization as quantization
import torchmetrics
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune

from lightning_seqfit import Probe
from tests.attach.kinds.attributes import Counting
from tests.attach.kinds.base import Kind, kind, wave


def first(state: Tensor, x: Tensor) -> Tensor:
    """A carried state's first row, for every row of another batch."""
    return state.detach()[..., :1, :].expand(*state.shape[:-2], len(x), state.shape[-1]).contiguous()


class Carried(Kind):
    """A recurrent layer in the middle, whose state goes from call to call."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.recur(torch.tanh(self.first(4 * x))))

    def recur(self, x: Tensor) -> Tensor:
        raise NotImplementedError


@kind("the state of a GRU")
class Gru(Carried):
    def keep(self) -> None:
        self.cell, self.state = nn.GRU(8, 8), torch.zeros(1, 1, 8)

    def recur(self, x: Tensor) -> Tensor:
        y, self.state = self.cell(x[None], first(self.state, x))
        return y[0]


@kind("the state of an RNN, written in place")
class Rnn(Carried):
    def keep(self) -> None:
        self.cell, self.state = nn.RNNCell(8, 8), torch.zeros(1, 8)

    def recur(self, x: Tensor) -> Tensor:
        y = self.cell(x, first(self.state, x))
        self.state.copy_(y.detach().mean(dim=0, keepdim=True))
        return y


@kind("the states of an LSTM in a list")
class LstmList(Carried):
    def keep(self) -> None:
        self.cell, self.states = nn.LSTM(8, 8), [torch.zeros(1, 1, 8), torch.zeros(1, 1, 8)]

    def recur(self, x: Tensor) -> Tensor:
        y, (self.states[0], self.states[1]) = self.cell(x[None], tuple(first(state, x) for state in self.states))
        return y[0]


@kind("the states of LSTM cells in a dict of tuples")
class LstmDict(Carried):
    def keep(self) -> None:
        self.cells = nn.ModuleDict({"a": nn.LSTMCell(8, 8), "b": nn.LSTMCell(8, 8)})
        self.states: dict[str, Any] = {}

    def recur(self, x: Tensor) -> Tensor:
        for name, cell in self.cells.items():
            state = self.states.get(name)
            self.states[name] = cell(x, None if state is None else tuple(first(part, x) for part in state))
            x = self.states[name][0]
        return x


@kind("the last states of a GRU in a deque")
class GruDeque(Carried):
    def keep(self) -> None:
        self.cell = nn.GRUCell(8, 8)
        self.states: collections.deque[Tensor] = collections.deque([torch.zeros(1, 8)], maxlen=2)

    def recur(self, x: Tensor) -> Tensor:
        y = self.cell(x, first(self.states[0], x))
        self.states.append(y.detach())
        return y


class Stale(Kind):
    """The weight that a hook of the first layer makes is as old as the last call, and used after the step."""

    def on_train_batch_end(self, *args: Any) -> None:
        with torch.no_grad():
            self.last.bias += 1e-2 * self.first.weight.mean()


@kind("a pruned weight")
class Pruned(Stale):
    def keep(self) -> None:
        prune.l1_unstructured(self.first, "weight", amount=3)


@kind("weights that are pruned while they train")
class Pruning(Kind):
    def keep(self) -> None:
        prune.identity(self.last, "weight")

    def on_train_batch_end(self, *args: Any) -> None:
        if self.global_step % 4 == 1:
            prune.ln_structured(self.last, "weight", amount=1, n=1, dim=1)
        with torch.no_grad():
            self.first.bias += 1e-2 * self.last.weight.mean()


@kind("weight norm by a hook")
class WeightNorm(Stale):
    def keep(self) -> None:
        self.first = nn.utils.weight_norm(self.first)


@kind("spectral norm by a hook")
class SpectralNorm(Stale):
    def keep(self) -> None:
        self.first = nn.utils.spectral_norm(self.first)


class Shrinks(nn.Module):
    """A parametrization that counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, weight: Tensor) -> Tensor:
        self.asked += 1
        self.mean.lerp_(weight.detach().mean(), 0.3)
        return weight * (1 + 0.1 * wave(self.asked)) + 0.1 * self.mean


@kind("a parametrization with a state")
class Parametrized(Kind):
    def keep(self) -> None:
        parametrize.register_parametrization(self.first, "weight", Shrinks())


def between(name: str, make: Callable[[], nn.Module], proof: int = 7) -> None:
    """Put a layer on the list that stands in the middle."""

    class Between(Kind):
        def keep(self) -> None:
            self.middle = make()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.tanh(self.middle(self.first(4 * x))))

    Between.proof = proof
    kind(name)(Between)


class HandNorm(nn.Module):
    """Batch norm whose statistics move in either mode, and are what it norms with."""

    def __init__(self, function: Callable[..., Tensor] = F.batch_norm, registered: bool = True) -> None:
        super().__init__()
        self.function = function
        for name, value in {"mean": torch.zeros(8), "var": torch.ones(8)}.items():
            self.register_buffer(name, value) if registered else setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        if self.function is F.batch_norm:
            F.batch_norm(x, self.mean, self.var, training=True, momentum=0.3)
        else:
            F.instance_norm(x.T[None], self.mean, self.var, use_input_stats=True, momentum=0.3)
        return (x - self.mean) / (self.var + 1e-3).sqrt()


class Observed(nn.Module):
    """An observer, and what it says of its ranges."""

    def __init__(self, observer: nn.Module) -> None:
        super().__init__()
        self.observer = observer

    def forward(self, x: Tensor) -> Tensor:
        scale = self.observer(x.detach()) is not None and self.observer.calculate_qparams()[0]
        return x * (1 + torch.as_tensor(scale).mean())


class Annealed(nn.Dropout):
    """A dropout whose rate falls with every call."""

    def forward(self, x: Tensor) -> Tensor:
        self.p *= 0.9
        return super().forward(x)


class Switching(nn.Dropout):
    """A dropout that switches itself on and off."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        self.train(not self.training)
        return y


class Growing(nn.Sequential):
    """One more layer with every call."""

    def forward(self, x: Tensor) -> Tensor:
        self.append(Counting())
        return super().forward(x)


class Losing(nn.ModuleList):
    """One layer less with every call."""

    def forward(self, x: Tensor) -> Tensor:
        self[-1](x)
        del self[-1]
        return x * (1 + 0.01 * len(self))


class BatchNorms(nn.Module):
    """Norms that no module knows of, so that nothing puts them into evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = [nn.BatchNorm1d(8, momentum=None)]

    def forward(self, x: Tensor) -> Tensor:
        self.norms[0](x)
        return x - self.norms[0].running_mean + 0.1 * wave(self.norms[0].num_batches_tracked)


class ByShape(nn.Module):
    """Numbers by shape, dtype and device, in the order in which these came."""

    def __init__(self) -> None:
        super().__init__()
        self.memo: dict[Any, int] = {}

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 0.1 * wave(self.memo.setdefault((x.shape, x.dtype, x.device), len(self.memo))))


class LayerByShape(nn.Module):
    """A layer of its own for every number of rows, drawn when it is first needed."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()

    def forward(self, x: Tensor) -> Tensor:
        if str(len(x)) not in self.layers:
            self.layers[str(len(x))] = nn.Linear(8, 8)
        return self.layers[str(len(x))](x) + 0.1 * len(self.layers)


class Built(nn.Module):
    """A layer that the first call builds, for the rows that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.inner: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.inner is None:
            self.inner = nn.Linear(8, 8)
            nn.init.constant_(self.inner.bias, 1 / len(x))
        return self.inner(x)


class Replaced(nn.Module):
    """A layer that gives way to another at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        self.inner = nn.Sigmoid() if isinstance(self.inner, nn.Tanh) else nn.Tanh()
        return self.inner(x)


class FirstRows(nn.Module):
    """A table that the first call makes for its own number of rows: any other then raises."""

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 16 or not self.table:
            self.table.setdefault("rows", torch.linspace(0, 1, len(x))[:, None])
        return x + self.table["rows"] if len(x) == 16 else x


def compiled() -> Any:
    """Compile a layer, by a compiler that remembers nothing of other trainings."""
    torch._dynamo.reset()
    return torch.compile(Counting(), backend="eager")


between("batch norm with statistics that always move", HandNorm)
between("batch norm with statistics in plain attributes", lambda: HandNorm(registered=False))
between("instance norm with statistics that always move", lambda: HandNorm(F.instance_norm))
between("a batch norm in a plain list", BatchNorms)
between("a dropout whose rate falls", Annealed)
between("a dropout that switches itself", Switching)
between("layers that become more", Growing)
between("layers that become fewer", lambda: Losing(Counting() for _ in range(60)))
between("a layer that is replaced", Replaced)
between("a layer for every number of rows", LayerByShape, proof=0)
between("a layer that the first call builds", Built, proof=0)
between("a memo by shape", ByShape, proof=0)
between("a table for the rows of the first call", FirstRows, proof=0)
between("a compiled layer that counts", compiled)
between("a histogram of a quantiser", lambda: Observed(quantization.HistogramObserver(bins=32)), proof=0)
between(
    "ranges of each channel of a quantiser",
    lambda: Observed(quantization.MovingAveragePerChannelMinMaxObserver(ch_axis=1)),
)
between(
    "a fake quantiser",
    lambda: quantization.FakeQuantize(
        quantization.MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8
    ),
)


@kind("training that knows of quantisation")
class Quantised(Kind):
    def keep(self) -> None:
        self.layers = nn.Sequential(self.first, nn.ReLU(), self.last)
        self.layers.qconfig = quantization.get_default_qat_qconfig("qnnpack")
        del self.first, self.last
        self.layers = quantization.prepare_qat(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(4 * x)


def metered(name: str, make: Callable[[], Any], read: Callable[[Any], Any] = lambda metric: metric.compute()) -> None:
    """Put a metric of the output on the list, which is read after every call."""

    class Metered(Kind):
        def keep(self) -> None:
            self.metric = make()

        def touch(self, x: Tensor) -> float:
            y = self.net(x).detach()[:, 0]
            self.metric(y, x[:, 0]) if isinstance(self.metric, torchmetrics.MetricCollection) else self.metric(y)
            return wave(read(self.metric))

    kind(name)(Metered)


metered("a metric with a running sum", torchmetrics.SumMetric)
metered("a metric that keeps all values", torchmetrics.CatMetric, lambda metric: len(metric.compute()))
metered("a metric with a window", lambda: torchmetrics.RunningSum(window=3))
metered(
    "a collection of metrics",
    lambda: torchmetrics.MetricCollection([torchmetrics.MeanSquaredError(), torchmetrics.R2Score()]),
    lambda metrics: sum(metrics.compute().values()),
)


def hooked(name: str, hang: Callable[[Any], Any], proof: int = 7) -> None:
    """Put a hook on the list, which is hung up when the module is made."""

    class Hooked(Kind):
        def keep(self) -> None:
            self.n = 0
            self.hung = hang(self)

        def count(self, *args: Any) -> None:
            self.n += 1

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) * (1 + 0.05 * wave(self.n))

    Hooked.proof = proof
    kind(name)(Hooked)


class Hook:
    """A hook that is an object."""

    def __init__(self, module: Kind) -> None:
        self.module = module
        self.seen = {"rows": 0}

    def __call__(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        self.seen["rows"] += len(output)
        return output + 0.1 * wave(self.seen["rows"])


def once(module: Any) -> Any:
    """Hang up a hook that takes itself away in the first call."""

    def shift(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        handle.remove()
        return output + 1

    handle = module.first.register_forward_hook(shift)
    return handle


def closed(module: Any) -> Any:
    """Hang up a hook that keeps activations in a dict that only it knows."""
    kept: dict[str, Tensor] = {}

    def shift(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        before, kept["output"] = kept.get("output"), output.detach()
        return output if before is None else output + 0.1 * before.mean()

    return module.first.register_forward_hook(shift)


hooked("a hook before a layer that counts", lambda m: m.last.register_forward_pre_hook(m.count))
hooked("a hook after the whole module that counts", lambda m: m.register_forward_hook(m.count, always_call=True))
hooked("a hook that is an object", lambda m: m.first.register_forward_hook(Hook(m)))
hooked("a hook that takes itself away", once, proof=0)
hooked("a dict in a hook's closure", closed)


@kind("hooks, one more with every call")
class MoreHooks(Kind):
    def touch(self, x: Tensor) -> float:
        self.first.register_forward_hook(lambda layer, inputs, output: output + 0.05, prepend=True)
        return 0.0


@kind("hooks before a layer, with keywords, one more with every call")
class MorePreHooks(Kind):
    def touch(self, x: Tensor) -> float:
        shift: Any = lambda layer, inputs, words: ((inputs[0] + 0.05,), words)  # noqa: E731
        self.first.register_forward_pre_hook(shift, with_kwargs=True)
        return 0.0


@kind("hooks of the backward pass, one more with every call")
class MoreBackwardHooks(Kind):
    def touch(self, x: Tensor) -> float:
        self.last.register_full_backward_hook(lambda layer, inputs, outputs: (0.9 * inputs[0],))
        return 0.0


@kind("activations that a hook keeps")
class Activations(Kind):
    def keep(self) -> None:
        self.activations: dict[str, Tensor] = {}
        self.first.register_forward_hook(self.store)

    def store(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        self.activations["first"] = output.detach()

    def on_train_batch_end(self, *args: Any) -> None:
        with torch.no_grad():
            self.last.bias += 1e-2 * self.activations["first"].mean()


@kind("a counter in a closure")
class Closed(Kind):
    def keep(self) -> None:
        calls = 0

        def count() -> int:
            nonlocal calls
            calls += 1
            return calls

        self.count = count

    def touch(self, x: Tensor) -> float:
        return wave(self.count())


class Scriptable(nn.Module):
    """A layer that can be scripted, and then lies outside Python."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        self.mean.lerp_(x.detach().mean(dim=0), 0.3)
        return x - self.mean


class ScriptedCounter(Scriptable):
    """The same, with a number."""

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (1 + 0.1 * (self.calls % 3))


between("a buffer of a scripted layer", lambda: torch.jit.script(Scriptable()))
between("a number of a scripted layer", lambda: torch.jit.script(ScriptedCounter()))


class Residual(Kind):
    """u' - cos, as it is asked for with ``needs_grad=True``; the loss is its square."""

    def residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def slope(self, x: Tensor) -> Tensor:
        u = self.net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return slope - torch.cos(6 * x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.residual(batch[0].clone().requires_grad_()).square().mean()

    @staticmethod
    def probe() -> Probe:
        return Probe.grid([(0.0, 1.0)], 0.0, predict=lambda module, x: module.residual(x), needs_grad=True)

    @staticmethod
    def ask(module: Any, points: Tensor) -> Any:
        return module.residual(points.requires_grad_())


@kind("a residual that keeps its first points")
class Collocation(Residual):
    proof = 0

    def keep(self) -> None:
        self.points: Tensor | None = None

    def residual(self, x: Tensor) -> Tensor:
        if self.points is None:
            self.points = x
        return self.slope(x) + 0.1 * self.slope(self.points).mean()


@kind("a residual that weighs by its own running size")
class Weighed(Residual):
    def keep(self) -> None:
        self.register_buffer("size", torch.ones(()))

    def residual(self, x: Tensor) -> Tensor:
        residual = self.slope(x)
        self.size.lerp_(residual.detach().square().mean(), 0.3)
        return residual / (self.size + 0.1)


@kind("a residual that gathers the worst points")
class Worst(Residual):
    def keep(self) -> None:
        self.worst: list[Tensor] = []

    def residual(self, x: Tensor) -> Tensor:
        residual = self.slope(x)
        self.worst = [*self.worst, x[residual.detach().abs().argmax()].detach()][-4:]
        again = torch.stack(self.worst).requires_grad_()
        return residual + 0.1 * self.slope(again).mean()
