"""Several layers heard in one evaluation. The oracle: the module's own layers, called one by one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.probe.read_out import ReadOut

ROWS = np.array([3, 5, 40])
NOTHING = np.zeros(64)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.last = nn.Linear(1, 8), nn.Linear(8, 8).double(), nn.Linear(8, 2)
        self.spare = nn.Linear(8, 8)

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        hidden = torch.tanh(self.first(x))
        wide = torch.tanh(self.second(hidden.double()))
        return {"first": x, "second": hidden.double(), "last": wide.float()}

    def forward(self, x: Tensor) -> Tensor:
        print("evaluated", end=" ")  # what it counted would be put back
        return self.last(self.parts(x)["last"])


def probe(**options: Any) -> Probe:
    return Probe.grid([(0.0, 1.0)], 0.0, resolution=64, **options)


def expected(net: Net, layer: str) -> np.ndarray:
    with torch.no_grad():
        return net.parts(torch.as_tensor(probe().geometry.points).float())[layer].numpy()


def test_each_read_out_hears_its_layer_and_its_rows_in_one_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    net = Net()
    some, other = ReadOut("second", rows=ROWS), ReadOut("second", rows=ROWS[:1])
    read_outs = [ReadOut("first"), some, other, ReadOut("second"), ReadOut()]
    seen = probe(output=1).observe(net, NOTHING, read_outs=read_outs)
    assert capsys.readouterr().out == "evaluated "
    assert seen.features is None
    for read_out, layer, rows in zip(
        read_outs, ["first", "second", "second", "second", "last"], [None, ROWS, ROWS[:1], None, None], strict=True
    ):
        at = seen.at(read_out)
        wanted = expected(net, layer)
        assert at.features is not None
        np.testing.assert_array_equal(at.features, wanted if rows is None else wanted[rows], strict=True)
        np.testing.assert_array_equal(at.weights, getattr(net, layer).weight[1].detach().numpy(), strict=True)
        assert at.outputs == len(getattr(net, layer).weight)
        assert at.prediction is seen.prediction
        assert read_out.absent == ""


@pytest.mark.parametrize("layer", ["first", "second", None])
def test_what_is_heard_is_the_same_to_the_last_bit_whoever_else_listens(layer: str | None) -> None:
    net, alone, together = Net(), ReadOut(layer), ReadOut(layer)
    first = probe().observe(net, NOTHING, read_outs=[alone])
    both = probe().observe(net, NOTHING, read_outs=[ReadOut("second"), together, ReadOut("first", ROWS)]).at(together)
    assert first.features is not None
    assert first.weights is not None
    np.testing.assert_array_equal(both.features, first.features, strict=True)
    np.testing.assert_array_equal(both.weights, first.weights, strict=True)
    np.testing.assert_array_equal(both.prediction, first.prediction, strict=True)


def test_all_of_it_comes_to_the_host_in_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers, cpu = [], Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: transfers.append(tensor.shape) or cpu(tensor))
    probe().observe(Net(), NOTHING, read_outs=[ReadOut("first"), ReadOut("second", ROWS)])
    assert transfers == [(64 + (64 + 1) + (3 * 8 + 8),)]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("nowhere", "layer='nowhere' is not in Net; its layers are: 'first', 'second', 'last', 'spare'"),
        ("spare", r"layer='spare' was not called with an input of shape \(64, width\)"),
    ],
)
def test_a_layer_that_is_missing_does_not_keep_the_others_from_theirs(layer: str, words: str) -> None:
    net, missing, there = Net(), ReadOut(layer), ReadOut("first")
    seen = probe().observe(net, NOTHING, read_outs=[missing, there])
    assert seen.at(missing).features is None
    assert missing.never_heard
    assert re.match(words, missing.absent)
    np.testing.assert_array_equal(seen.at(there).features, expected(net, "first"))
    assert not there.never_heard


def test_one_read_out_is_the_observations_own() -> None:
    read_out = ReadOut()
    seen = probe().observe(Net(), NOTHING, read_outs=[read_out])
    assert seen.features is not None
    assert seen.at(read_out).features is seen.features
    assert probe().observe(Net(), NOTHING).layers == {}


def test_a_read_out_that_nothing_listened_to_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nothing listened to this read-out: pass it .* in read_outs=\[\.\.\.\]"):
        probe().observe(Net(), NOTHING, read_outs=[ReadOut()]).at(ReadOut())


def test_the_hooks_are_gone_afterwards() -> None:
    net = Net()
    probe().observe(net, NOTHING, read_outs=[ReadOut("first"), ReadOut("first"), ReadOut()])
    assert not any(module._forward_pre_hooks for module in net.modules())
