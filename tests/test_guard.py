"""The guard by itself: what an evaluation has written is as it was, and what it has not written is not touched."""

from __future__ import annotations

import gc
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from lightning_seqfit.probe.guard import generators, leave_untouched
from tests.attach.kinds.base import contents
from tests.training import assert_same

CPU = torch.device("cpu")


class Everything(nn.Module):
    """One of each: parameters, buffers, views, containers, objects, generators, layers without a name."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.layer = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator))
        self.register_buffer("table", torch.arange(12.0).view(3, 4))
        self.register_buffer("part", self.table[1:, ::2])
        self.register_buffer("nothing", None)
        self.plain = torch.tensor([0.0, -0.0, float("nan"), float("inf")])
        self.count = 0
        self.items = [1, [2, {"three": 3.0}]]
        self.same = self.items[1]
        self.by_name = {"b": 1, "a": torch.zeros(2)}
        self.ordered = OrderedDict(b=1, a=2)
        self.recent = deque([1, 2], maxlen=4)
        self.seen = {1, "two"}
        self.helper = SimpleNamespace(n=0, inner=SimpleNamespace(values=np.arange(4.0)))
        self.source = np.random.default_rng(3)
        self.drawn = generator
        self.hidden = [nn.BatchNorm1d(3)]

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](self.norm(self.layer(x)))


def kept(module: nn.Module) -> dict[str, Any]:
    """All of a module, and the order of its attributes and of what is registered."""
    orders = [[list(vars(m)), list(m._parameters), list(m._buffers), list(m._modules)] for m in module.modules()]
    return {"contents": contents(module), "orders": orders, "versions": versions(module)}


def versions(module: nn.Module) -> list[int]:
    return [tensor._version for tensor in (*module.parameters(), *module.buffers())]


def place(tensor: Tensor) -> tuple[Any, ...]:
    return id(tensor), tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor._version


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()


def scaled(m: Any) -> None:
    m.layer.weight.data.mul_(2)


def frozen(m: Any) -> None:
    m.layer.weight.requires_grad_(False)


def backward(m: Any) -> None:
    with torch.enable_grad():
        m.layer(torch.ones(2, 2)).sum().backward()


def reregistered(m: Any) -> None:
    value = m.table
    del m.table
    m.register_buffer("table", value + 1)


#: What forward passes do, each to one thing.
WRITES: dict[str, Callable[[Any], Any]] = {
    "a parameter in place": lambda m: torch.no_grad()(m.layer.weight.add_)(1),
    "a parameter through .data": scaled,
    "a parameter's data": lambda m: setattr(m.layer.bias, "data", torch.ones(5)),
    "a parameter": lambda m: setattr(m.layer, "bias", nn.Parameter(torch.zeros(3))),
    "no parameter": lambda m: setattr(m.layer, "bias", None),
    "a frozen parameter": frozen,
    "gradients": backward,
    "a buffer in place": lambda m: m._buffers["part"].add_(1),
    "a buffer again": reregistered,
    "a buffer more": lambda m: m.register_buffer("more", torch.zeros(1)),
    "a buffer for None": lambda m: setattr(m, "nothing", torch.zeros(1)),
    "a buffer resized": lambda m: m.plain.resize_(9).fill_(1),
    "a tensor through numpy": lambda m: m.by_name["a"].numpy().fill(7),
    "a tensor in a dict": lambda m: m.by_name.update(a=torch.ones(3)),
    "the order of a dict": lambda m: m.by_name.update(b=m.by_name.pop("b")),
    "the order of an OrderedDict": lambda m: m.ordered.move_to_end("b"),
    "a key": lambda m: m.by_name.setdefault("c", []),
    "a list": lambda m: m.items.append(m.items),
    "a list within": lambda m: m.same.clear(),
    "a list by another": lambda m: setattr(m, "same", [2]),
    "a deque": lambda m: m.recent.extend([3, 4, 5]),
    "a set": lambda m: m.seen.add(len(m.seen)),
    "an integer": lambda m: setattr(m, "count", m.count + 1),
    "an attribute more": lambda m: setattr(m, f"more_{len(vars(m))}", 1),
    "an attribute less": lambda m: vars(m).pop("count", None) and None,
    "an object": lambda m: setattr(m.helper, "n", m.helper.n + 1),
    "an object less": lambda m: setattr(m.helper, "inner", SimpleNamespace(values=np.zeros(1))),
    "an array": lambda m: m.helper.inner.values.__iadd__(1),
    "a generator of numpy": lambda m: m.source.normal(),
    "a generator of torch": lambda m: torch.rand(1, generator=m.drawn),
    "modes": lambda m: m.train(),
    "norms": lambda m: m.hidden[0](torch.rand(4, 3)),
    "a layer more": lambda m: m.add_module(f"layer_{len(m._modules)}", nn.Linear(1, 1)),
    "a layer less": lambda m: m._modules.pop("norm", None),
    "a layer by another": lambda m: setattr(m, "layer", nn.Linear(2, 3)),
    "a hook": lambda m: m.layer.register_forward_hook(lambda *_: None),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_changes_the_module_and_is_undone(write: str) -> None:
    module = Everything()
    before = kept(module)
    with leave_untouched(module, CPU):
        unwritten = kept(module)
        WRITES[write](module)
        with pytest.raises(AssertionError):
            assert_same(unwritten, kept(module))
    assert_same(before, kept(module))


def write_all(module: Any, writes: Iterable[str]) -> None:
    for write in writes:
        try:
            WRITES[write](module)
        except (AttributeError, TypeError, RuntimeError):  # an earlier write took away what this one asks for
            continue


@given(st.lists(st.sampled_from(sorted(WRITES)), max_size=12))
def test_writes_in_any_order_are_undone_together(writes: list[str]) -> None:
    module = Everything()
    before, parts = kept(module), {id(part) for part in (module.layer, module.items, module.helper, module.table)}
    with leave_untouched(module, CPU):
        write_all(module, writes)
    assert_same(before, kept(module))
    assert {id(part) for part in (module.layer, module.items, module.helper, module.table)} == parts
    assert module.same is module.items[1]
    assert module.part.data_ptr() == module.table[1:].data_ptr()


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_an_exception_is_raised_on_and_everything_is_put_back(error: type[BaseException]) -> None:
    def evaluate() -> None:
        with leave_untouched(module, CPU):
            write_all(module, WRITES)
            raise error("inside")

    module = Everything()
    before = kept(module)
    with pytest.raises(error, match="inside"):
        evaluate()
    assert_same(before, kept(module))


def test_guards_within_each_other_put_back_what_each_has_found() -> None:
    module = Everything()
    before = kept(module)
    with leave_untouched(module, CPU):
        module.count, module.table[0, 0] = 5, 5.0
        module.items.append(5)
        with leave_untouched(module, CPU):
            module.count, module.table[0, 0] = 7, 7.0
            module.items.clear()
        assert (module.count, module.table[0, 0].item(), module.items[-1]) == (5, 5.0, 5)
    assert_same(before, kept(module))


def test_what_is_not_written_keeps_its_place_and_version() -> None:
    module = Everything()
    tensors = [*module.parameters(), *module.buffers(), module.plain, module.by_name["a"]]
    before = [place(tensor) for tensor in tensors]
    with leave_untouched(module, CPU):
        module.layer(torch.ones(1, 2))
        module.count += 1
    assert [place(tensor) for tensor in tensors] == before


WRITTEN: dict[str, Callable[[Tensor], Any]] = {
    "in place": lambda t: t.add_(1),
    "through .data": lambda t: t.data.add_(1),
    "through a view": lambda t: t.view(-1)[3:].zero_(),
    "through numpy": lambda t: t.detach().numpy().fill(3),
    "by other data": lambda t: setattr(t, "data", torch.ones(2)),
    "by other strides": lambda t: t.t_(),
    "by another storage": lambda t: t.set_(torch.ones(7)),
    "twice": lambda t: (t.set_(torch.ones(7)), t.add_(1)),
}


@pytest.mark.parametrize(
    ("how", "size"),
    # what is written past torch is found in small tensors only
    [(how, size) for how in WRITTEN for size in (6, 1200, 3_000_000) if how != "through numpy" or size < 1_000_000],
)
def test_a_tensor_that_is_put_back_keeps_its_place_and_version_to_the_last_bit(how: str, size: int) -> None:
    module = nn.Module()
    module.kept = torch.linspace(-1, 1, size).view(2, -1)
    module.kept[0, :2] = torch.tensor([-0.0, struct.unpack("f", struct.pack("I", 0x7FC01234))[0]])  # a NaN of its own
    before, content = place(module.kept), bits(module.kept)
    with leave_untouched(module, CPU):
        WRITTEN[how](module.kept)
        assert (place(module.kept), bits(module.kept)) != (before, content)
    assert place(module.kept) == before
    assert bits(module.kept) == content


def test_a_graph_from_before_can_still_be_differentiated_after_its_tensors_were_written_and_put_back() -> None:
    def gradients(write: bool) -> list[Tensor]:
        module = Everything()
        loss = module.layer(torch.ones(4, 2)).mul(module.table.sum(0)[:3]).square().sum()
        loss = loss + (module.layer.weight.square() * module.plain[0]).sum()
        if write:
            with leave_untouched(module, CPU):
                for part in (module.layer.weight, module.table, module.plain):
                    part.mul_(2)
        loss.backward()
        return [p.grad for p in module.layer.parameters()]

    assert_same(gradients(write=False), gradients(write=True))


READ_ONLY = """
import mmap, sys, warnings
import numpy as np, torch
from torch import nn
from lightning_seqfit import Probe
from lightning_seqfit.probe.guard import leave_untouched

warnings.simplefilter("ignore")
path = sys.argv[1]
np.arange(1000, dtype=np.float32).tofile(path)
class Reads(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.file = open(path, "rb")
        pages = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        self.array = np.memmap(path, np.float32, "r")
        self.register_buffer("whole", torch.from_numpy(self.array))
        self.register_buffer("part", self.whole[5:50:3])
        self.register_buffer("other", torch.frombuffer(pages, dtype=torch.float32))
        self.register_buffer("long", self.whole.view(torch.int32).expand(4, 1000))
        self.tensors = [self.whole.view(10, 100).t(), torch.from_file(path, shared=False, size=1000)]
        self.weight = nn.Parameter(self.whole, requires_grad=False)
    def forward(self, x):
        return self.layer(x) + self.whole[3] + self.part.sum() + self.tensors[0].mean() + self.weight[0]
module = Reads()
for grad in (False, True):
    with leave_untouched(module, torch.device("cpu"), grad=grad):
        module(torch.zeros(4, 1))
        module.layer.weight.data.add_(1)
if sys.argv[2] == "written":
    module.whole[0] = 1
print(Probe.grid([(0.0, 1.0)], 0.0).observe(module, np.zeros(512)).prediction.mean() > 3)
"""


@pytest.mark.parametrize(
    ("how", "end"), [("read", (0, "True")), ("written", (-signal.SIGSEGV, ""))], ids=["read", "written"]
)
def test_memory_that_is_read_only_is_never_written_which_would_end_the_process(
    how: str, end: tuple[int, str], tmp_path: Path
) -> None:
    table = tmp_path / "table"
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(table), how],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[1],
    )
    assert (done.returncode, done.stdout.strip()) == end, done.stderr[-2000:]
    np.testing.assert_array_equal(np.fromfile(table, np.float32), np.arange(1000))


def states() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


@pytest.mark.parametrize("by", ["memory", "state"])
def test_the_global_generators_are_put_back_with_the_second_of_a_pair_of_normal_numbers(
    by: str, seeded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in ("_offset_of_twister", "_offset_of_gauss"):
        assert getattr(generators, found)() is not None
        if by == "state":  # as where the memory is laid out otherwise
            monkeypatch.setattr(generators, found, lambda: None)
    for _ in range(2):  # with none kept, and with one
        before = states()
        with leave_untouched(nn.Module(), CPU):
            for draw in (lambda: random.gauss(0, 1), np.random.standard_normal, lambda: torch.randn(3)):
                draw()
            with pytest.raises(AssertionError):
                assert_same(before, states())
        assert_same(before, states())
        random.gauss(0, 1)
        np.random.standard_normal()


def test_generators_go_on_where_they_were_when_they_were_seeded_anew(seeded: int) -> None:
    before = states()
    with leave_untouched(nn.Module(), CPU):
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
    assert_same(before, states())


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("outside", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_gradients_are_on_only_where_they_are_asked_for_and_inference_mode_never(grad: bool, outside: Any) -> None:
    with outside():
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        with leave_untouched(nn.Linear(1, 1), CPU, grad=grad):
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == (grad, False)
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == modes


def test_the_flags_of_all_layers_are_those_of_evaluation_and_then_their_own() -> None:
    module = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(1), nn.Sequential(nn.Dropout()))
    module[1].eval()
    flags = [m.training for m in module.modules()]
    with leave_untouched(module, CPU):
        assert not any(m.training for m in module.modules())
        module.train()
    assert [m.training for m in module.modules()] == flags == [True, True, False, True, True]


def test_a_long_list_of_numbers_is_put_back() -> None:
    module = nn.Module()
    module.history = [float(number) for number in range(90_000)]
    before, same = list(module.history), module.history
    with leave_untouched(module, CPU):
        module.history[17] = -1.0
        module.history.append(0.0)
        del module.history[50_000:50_010]
    assert module.history is same
    assert module.history == before


def test_a_list_of_a_thousand_tensors_is_put_back() -> None:
    module = nn.Module()
    module.memory = [torch.full((2,), float(number)) for number in range(1_000)]
    with leave_untouched(module, CPU):
        module.memory[-1].add_(1)
        module.memory[7] = torch.zeros(2)
        module.memory.append(torch.zeros(2))
    assert torch.equal(torch.stack(module.memory)[:, 0], torch.arange(1_000.0))


LONG: dict[str, Callable[[], Any]] = {
    "numbers": lambda: [float(number) for number in range(300_000)],
    "words": lambda: {f"word{number}": number for number in range(150_000)},
    "dicts": lambda: [{"number": number} for number in range(30_000)],
    "tensors": lambda: [torch.zeros(2) for _ in range(6_000)],
    "pairs": lambda: [(f"image{number}.png", [number]) for number in range(30_000)],
    "an array": lambda: np.zeros(3_000_000),
    "bytes": lambda: bytearray(30_000_000),
}


@pytest.mark.parametrize("name", LONG)
def test_beside_what_is_too_much_to_remember_all_else_is_put_back_and_that_it_is_too_much_is_said(name: str) -> None:
    module = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
    module.held = LONG[name]()
    module.deep = {"a": [{"b": {"n": 0}}]}
    size = len(module.held)
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    with leave_untouched(module, CPU) as notes:
        module.deep["a"][0]["b"]["n"] += 1
        module.deep["more"] = 1
        if isinstance(module.held, list):
            module.held.append(None)
        elif isinstance(module.held, dict):
            module.held["one more"] = None
        with torch.no_grad():
            module[0].weight.add_(1)
            module[1].running_mean.add_(1)
    assert module.deep == {"a": [{"b": {"n": 0}}]}
    assert len(module.held) == size
    assert all(torch.equal(weights[key], value) for key, value in module.state_dict().items())
    assert [m.training for m in module.modules()] == [True] * 5
    (note,) = notes
    assert "holds more than a look remembers" in note


def test_what_is_too_much_to_remember_costs_little() -> None:
    module = nn.Module()
    module.held = [make() for make in LONG.values()]
    assert seconds(module, lambda: None) < 0.05


def seconds(module: nn.Module, evaluate: Callable[[], Any]) -> float:
    """What a guarded evaluation takes of this thread's time, at best: neither other processes nor garbage count."""

    def once() -> float:
        begun = time.thread_time()
        with leave_untouched(module, CPU):
            evaluate()
        return time.thread_time() - begun

    gc.disable()  # it would go through all that pytest holds
    try:
        return min(once() for _ in range(20))
    finally:
        gc.enable()


def test_the_guard_grows_with_the_layers_and_no_faster() -> None:
    def taken(count: int) -> float:
        return seconds(nn.Sequential(*(nn.Linear(2, 2) for _ in range(count))), lambda: None)

    assert taken(2000) < 32 * taken(250)  # eight times as many: 8 to 16 where it was measured, 64 where it is quadratic


def test_a_large_buffer_that_is_only_read_is_not_copied() -> None:
    module = nn.Module()
    module.register_buffer("data", torch.ones(25_000_000))  # a copy takes ten milliseconds or more
    assert seconds(module, lambda: module.data[:3].sum()) < 0.004


def fake() -> Tensor:
    with FakeTensorMode():
        return torch.zeros(3)


def freed() -> Tensor:
    tensor = torch.zeros(4)
    tensor.untyped_storage().resize_(0)
    return tensor


def nested(layout: torch.layout) -> Tensor:
    return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=layout)


HELD: dict[str, Callable[[], Any]] = {
    "a quantised tensor": lambda: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.quint8),
    "a tensor quantised by channel": lambda: torch.quantize_per_channel(
        torch.zeros(2, 3), torch.ones(2), torch.zeros(2), 0, torch.qint8
    ),
    "a quantised layer": lambda: torch.ao.nn.quantized.Linear(2, 2),
    "a tensor of oneDNN": lambda: torch.zeros(3).to_mkldnn(),
    "a nested tensor": lambda: nested(torch.strided),
    "a jagged tensor": lambda: nested(torch.jagged),
    "a masked tensor": lambda: torch.masked.masked_tensor(torch.zeros(2), torch.tensor([True, False])),
    "a tensor of zeros without memory": lambda: torch._efficientzerotensor((3,)),
    "a tensor without content": lambda: torch.zeros(3, device="meta"),
    "a tensor that stands for another": fake,
    "a tensor whose memory is free": freed,
    "a tensor of float8": lambda: torch.zeros(3).to(torch.float8_e4m3fn),
    "a conjugate": lambda: torch.zeros(3, dtype=torch.complex64).conj(),
    "a negative": lambda: torch.zeros(3, dtype=torch.complex64).conj().imag,
    "a tensor of sparse blocks": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "a sparse tensor with gradients": lambda: torch.eye(3).to_sparse().requires_grad_(),
    "a tensor made in inference mode": lambda: torch.inference_mode()(torch.zeros)(3),
    "a tensor that is in a graph": lambda: torch.zeros(2, requires_grad=True) * 2,
    "a tensor expanded beyond all memory": lambda: torch.zeros(1).expand(10**12),
    "a tensor in shared memory": lambda: torch.zeros(4).share_memory_(),
    "a parameter that is not there yet": nn.UninitializedParameter,
    "a buffer that is not there yet": nn.UninitializedBuffer,
    "a read-only array": lambda: np.broadcast_to(np.zeros(1), (3,)),
    "an array of words": lambda: np.array(["a", "b"]),
    "an array of arrays": lambda: np.array([np.zeros(2), None], dtype=object),
    "a lock": threading.Lock,
    "a view of bytes": lambda: memoryview(bytearray(3)),
    "the system's random numbers": random.SystemRandom,
}


@pytest.mark.filterwarnings(
    "ignore:.*(prototype|deprecated|beta):UserWarning", "ignore:.*deprecated:DeprecationWarning"
)
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("what", HELD)
def test_nothing_that_a_module_merely_holds_is_in_the_way(what: str, grad: bool) -> None:
    module = nn.Module()
    module.layer, module.kept, module.items = nn.Linear(1, 1), HELD[what](), [HELD[what]()]
    held, weight = module.kept, module.layer.weight.detach().clone()
    with leave_untouched(module, CPU, grad=grad):
        module.layer(torch.zeros(1, 1))
        module.layer.weight.data.add_(1)
    assert module.kept is held
    assert torch.equal(module.layer.weight, weight)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Any]:
    """One process that is a group by itself."""
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        yield init_device_mesh("cpu", (1,))
    finally:
        distributed.destroy_process_group()


def test_a_sharded_module_trains_on_the_same_after_a_guarded_evaluation(mesh: Any) -> None:
    from torch.distributed.fsdp import fully_shard

    def losses(watched: bool) -> list[float]:
        torch.manual_seed(5)
        module = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        for layer in (module[2], module):
            fully_shard(layer, mesh=mesh)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        found = []
        for step in range(8):
            x = torch.linspace(0, 1, 16)[:, None] + 0.01 * step
            loss = (module(x) - x.sin()).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(loss.item())
            if watched:
                with leave_untouched(module, CPU):
                    module(torch.linspace(0, 1, 512)[:, None])
        return found

    assert losses(watched=False) == losses(watched=True)
