"""Whether a training's loss is an equation's: whether it was made of derivatives with respect to the inputs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor

#: Nodes of a loss's graph that are looked at, at the most: a few milliseconds, once in a fit.
MOST_NODES = 20_000


def has_derivatives(loss: Tensor, parameters: Collection[Tensor]) -> bool:
    """Whether a loss was made of derivatives: its graph ends in tensors that are no parameters, or is twice a backward.

    Parameters
    ----------
    loss : before its backward pass; its graph is only looked at.
    parameters : of the module.

    Examples
    --------
    >>> import torch
    >>> net, x = torch.nn.Linear(1, 1), torch.zeros(3, 1, requires_grad=True)
    >>> u = net(x).tanh()
    >>> slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    >>> parameters = list(net.parameters())
    >>> has_derivatives(slope.square().mean(), parameters), has_derivatives(net(x.detach()).square().mean(), parameters)
    (True, False)
    """
    known = {id(each) for each in parameters}
    waiting: list[Any] = [loss.grad_fn]
    met: set[Any] = set()
    while waiting and len(met) < MOST_NODES:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if "BackwardBackward" in node.name():
            return True
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in known:
            return True
        waiting.extend(following for following, _ in node.next_functions)
    return False
