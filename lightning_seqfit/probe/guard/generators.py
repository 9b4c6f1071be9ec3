"""The random number generators of the process, and those that a module holds: their states, put back."""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

Restore = Callable[[], object]

# As they are when nobody listens to who calls them.
_getstate, _setstate = random.getstate, random.setstate
_get_state, _set_state = np.random.get_state, np.random.set_state
_set_rng_state = torch.set_rng_state


def global_generators(device: torch.device) -> list[tuple[str, Restore]]:
    """Every generator of the process that an evaluation on a device may draw from: whose it is, how to put it back."""
    cpu = torch.get_rng_state()
    generators: list[tuple[str, Restore]] = [
        ("python", _python_global()),
        ("numpy", _numpy_global()),
        ("torch", lambda: _set_rng_state(cpu)),
    ]
    if device.type in ("cuda", "xpu"):
        backend = getattr(torch, device.type)
        state = backend.get_rng_state(device)
        generators.append(("torch", lambda: backend.set_rng_state(state, device)))
    elif device.type == "mps":
        shared = torch.mps.get_rng_state()
        generators.append(("torch", lambda: torch.mps.set_rng_state(shared)))
    return generators


def own_generator(generator: Any) -> Restore | None:
    """How to put back a generator that a module holds; None for one without a state."""
    if isinstance(generator, torch.Generator):
        state = generator.get_state()
        return lambda: generator.set_state(state)
    if isinstance(generator, np.random.Generator):
        return own_generator(generator.bit_generator)
    if isinstance(generator, np.random.RandomState):
        kept = generator.get_state(legacy=False)
        return lambda: generator.set_state(kept)
    if isinstance(generator, np.random.BitGenerator):
        before, seeds = generator.state, own_generator(generator.seed_seq)

        def restore() -> None:
            generator.state = before
            if seeds is not None:
                seeds()

        return restore
    if isinstance(generator, np.random.SeedSequence):
        seed: Any = generator
        arguments = seed.__reduce__()[-1]
        return lambda: seed.__setstate__(arguments)
    if isinstance(generator, random.Random) and not isinstance(generator, random.SystemRandom):
        drawn = generator.getstate()
        return lambda: generator.setstate(drawn)
    return None


#: What :func:`own_generator` knows.
GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
    np.random.SeedSequence,
    random.Random,
)


# The two Mersenne twisters are put back by their memory, where it lies where it should: to read and set the state goes
# through 624 numbers one by one, which takes up to 50 microseconds.


def _python_global() -> Restore:
    """How to put back Python's global generator."""
    offset = _offset_of_twister()
    generator = random._inst
    if offset is None or type(generator) is not random.Random:
        python = _getstate()
        return lambda: _setstate(python)
    place, attributes = id(generator) + offset, vars(generator)
    numbers, normal = ctypes.string_at(place, _KEY_BYTES), attributes["gauss_next"]

    def restore() -> None:
        attributes["gauss_next"] = normal
        if ctypes.string_at(place, _KEY_BYTES) != numbers:
            ctypes.memmove(place, numbers, _KEY_BYTES)

    return restore


@cache
def _offset_of_twister() -> int | None:
    """Where a ``random.Random`` keeps its 624 numbers and the position among them; None where not found for certain."""
    probe = random.Random(0)
    probe.random()
    *numbers, position = probe.getstate()[1]
    state = struct.pack("@I624I", position, *numbers)  # CPython keeps the position before the numbers
    at = ctypes.string_at(id(probe), type(probe).__basicsize__).find(state)
    return at if at >= 0 else None


def _numpy_global() -> Restore:
    """How to put back numpy's global generator."""
    offset, generator = _offset_of_gauss(), np.random.mtrand._rand._bit_generator
    if offset is None or type(generator) is not np.random.MT19937:
        state = _get_state(legacy=False)
        return lambda: _set_state(state)
    key, gauss = generator.ctypes.state_address, id(np.random.mtrand._rand) + offset
    numbers, normal = ctypes.string_at(key, _KEY_BYTES), ctypes.string_at(gauss, _GAUSS_BYTES)

    def restore() -> None:
        if ctypes.string_at(key, _KEY_BYTES) != numbers:
            ctypes.memmove(key, numbers, _KEY_BYTES)
        if ctypes.string_at(gauss, _GAUSS_BYTES) != normal:
            ctypes.memmove(gauss, normal, _GAUSS_BYTES)

    return restore


# 624 numbers of 32 bits and the position among them; whether a normal number is kept, padding, and the number
_KEY_BYTES, _GAUSS_BYTES = 4 * 624 + 4, 16


@cache
def _offset_of_gauss() -> int | None:
    """Where a ``RandomState`` keeps the second normal number of a pair; None where it is not found for certain."""
    probe = np.random.RandomState(0)
    size = type(probe).__basicsize__
    probe.standard_normal()
    state: Any = probe.get_state(legacy=False)
    memory = ctypes.string_at(id(probe), size)
    at = memory.find(struct.pack("@d", state["gauss"]))
    if state["has_gauss"] != 1 or at < 8 or struct.unpack_from("@i", memory, at - 8) != (1,):
        return None
    probe.standard_normal()  # takes it
    taken = struct.unpack_from("@i", ctypes.string_at(id(probe), size), at - 8) == (0,)
    same_key = ctypes.string_at(probe._bit_generator.ctypes.state_address, 8) == struct.pack(
        "@2I", *probe.get_state(legacy=False)["state"]["key"][:2]
    )
    return at - 8 if taken and same_key else None
