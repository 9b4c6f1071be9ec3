"""The history of a probe: rows of named columns, a row a look, bounded in memory.

A *field* has at most 1,024 values a look, 4,096 without a target (block means beyond that); at most 512 looks are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

#: Looks kept; when full, every second one is dropped and from then on only every second one is kept.
MOST_LOOKS = 512

Column = NDArray[Any]


class Record:
    """Rows of named columns, one row a look, thinned evenly when full; the latest look is always there.

    Look i is kept for good if i is a multiple of ``stride``. A look that is not stays only until the next one comes.
    A column that a look lacks holds NaN there (-1 for whole numbers).

    Examples
    --------
    >>> record = Record(most=4)
    >>> for step in range(0, 70, 10):
    ...     record.append({"steps": step, "scalar/error": step / 100})
    >>> record["steps"].tolist()  # 512 looks in earnest
    [0, 20, 40, 60]
    """

    def __init__(self, most: int = MOST_LOOKS) -> None:
        self.most = most
        self.stride = 1
        self.looks = 0  # looks seen, kept or not
        self.size = 0
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, name: str) -> Column:
        """Column of a name, first axis the look."""
        return self._columns[name][: self.size]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._columns)

    def append(self, row: Mapping[str, Any]) -> None:
        """Take one look: ints to int64, floats to float64, arrays (of equal length every time) to float32."""
        row = {"look": self.looks, **row}
        for name, value in row.items():  # before anything changes
            shape = getattr(value, "shape", ())
            if name in self._columns and shape != self._columns[name].shape[1:]:
                raise ValueError(f"{name!r} has shape {shape}, and {self._columns[name].shape[1:]} at the looks before")
        if self.size and int(self["look"][-1]) % self.stride:
            self.size -= 1
        if self.size == self.most:
            self._thin()
        for name, value in row.items():
            if name not in self._columns:
                self._columns[name] = self._empty(value)
        with np.errstate(all="ignore"):  # beyond float32 is inf, or 0
            for name, column in self._columns.items():
                column[self.size] = row.get(name, _missing(column.dtype))
        self.size += 1
        self.looks += 1

    def amend(self, row: Mapping[str, Any]) -> None:
        """Put further values into the latest row, as :meth:`append` takes them.

        Examples
        --------
        >>> record = Record()
        >>> record.append({"steps": 0})
        >>> record.amend({"scalar/stall/stalled": 0.0})
        >>> record["scalar/stall/stalled"].tolist()
        [0.0]
        """
        for name, value in row.items():
            shape = getattr(value, "shape", ())
            if name in self._columns and shape != self._columns[name].shape[1:]:
                raise ValueError(f"{name!r} has shape {shape}, and {self._columns[name].shape[1:]} at the looks before")
        with np.errstate(all="ignore"):
            for name, value in row.items():
                if name not in self._columns:
                    self._columns[name] = self._empty(value)
                self._columns[name][self.size - 1] = value

    def _empty(self, value: Any) -> Column:
        array = np.asarray(value)
        dtype = np.float32 if array.ndim else np.int64 if isinstance(value, int) else np.float64
        return np.full((self.most, *array.shape), _missing(np.dtype(dtype)), dtype=dtype)

    def _thin(self) -> None:
        self.stride *= 2
        kept = np.flatnonzero(self["look"] % self.stride == 0)
        for column in self._columns.values():
            column[: len(kept)] = column[kept]
        self.size = len(kept)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and builtin containers only; copies."""
        return {
            "stride": self.stride,
            "looks": self.looks,
            "columns": {name: torch.from_numpy(self[name].copy()) for name in self._columns},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become what :meth:`state_dict` saw.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the state is none of a record; this one is then as it was.
        """
        stride, looks = state["stride"], state["looks"]
        if not all(isinstance(count, int) and count >= 0 for count in (stride, looks)) or not stride:
            raise ValueError(f"stride={stride!r} and looks={looks!r} are no counts")
        columns: dict[str, Column] = {}
        lengths = set()
        for name, tensor in state["columns"].items():
            if not isinstance(tensor, torch.Tensor) or not tensor.ndim:
                raise TypeError(f"column {name!r} is {type(tensor).__name__}, not a tensor with a row a look")
            rows = tensor.detach().cpu().numpy()
            lengths.add(len(rows))
            columns[name] = np.full((self.most, *rows.shape[1:]), _missing(rows.dtype), dtype=rows.dtype)
            columns[name][: len(rows)] = rows
        if len(lengths) > 1 or (columns and "look" not in columns):
            raise ValueError(f"columns of {sorted(lengths)} rows, one of them the numbers of the looks, do not agree")
        self.stride, self.looks, self.size, self._columns = stride, looks, max(lengths, default=0), columns


def _missing(dtype: np.dtype[Any]) -> Any:
    return -1 if dtype.kind == "i" else math.nan
