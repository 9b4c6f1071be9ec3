"""Modules that keep something outside their parameters, which their forward changes and later training depends on."""

from tests.attach.kinds import attributes, layers, parameters, tensors
from tests.attach.kinds.base import CANNOT, KINDS, Kind, contents

__all__ = ["CANNOT", "KINDS", "Kind", "attributes", "contents", "layers", "parameters", "tensors"]
