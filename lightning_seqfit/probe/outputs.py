"""Which of a module's outputs are looked at, and which columns of a target are theirs."""

from __future__ import annotations

from dataclasses import dataclass

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe.checks.arguments import MOST_OUTPUTS
from lightning_seqfit.probe.checks.echo import shown

#: A column, several of them, or ``"norm"``: the Euclidean length over all there are.
Output = int | tuple[int, ...] | str


@dataclass(frozen=True)
class Columns:
    """The columns of a target that belong to the outputs that are looked at.

    Attributes
    ----------
    output : of the probe, as :func:`~lightning_seqfit.probe.checks.arguments.checked_output` returns it.
    position : the one of these columns that is wanted; None: all of them.
    """

    output: Output = 0
    position: int | None = None

    @property
    def several(self) -> bool:
        """Whether values have an axis for the outputs."""
        return self.position is None and not isinstance(self.output, int)

    def number(self) -> int:
        """Number of outputs; 0: as many as the module has."""
        return 1 if isinstance(self.output, int) else len(self.output) if isinstance(self.output, tuple) else 0

    def of(self, values: FloatArray) -> FloatArray:
        """Return the columns of values of shape ``(N, k)``: shape ``(N,)`` of one output, else ``(N, outputs)``.

        Raises
        ------
        ValueError
            If the values have too few columns, or nobody can say which of them belong to the outputs.

        Examples
        --------
        >>> import numpy as np
        >>> rgb = np.array([[0.1, 0.2, 0.3]])
        >>> Columns(2).of(rgb), Columns((0, 2)).of(rgb), Columns((0, 2)).of(rgb[:, :2]), Columns("norm", 1).of(rgb)
        (array([0.3]), array([[0.1, 0.3]]), array([[0.1, 0.2]]), array([0.2]))
        """
        found = self._found(values.shape[1])
        if self.position is not None:
            found = found[self.position : self.position + 1]
        if self.several:
            return values[:, found]
        return values[:, found[0]].copy() if values.shape[1] > 1 else values[:, 0]

    def _found(self, count: int) -> list[int]:
        """Numbers of the columns, of so many."""
        if self.output == "norm":
            if not 0 < count <= MOST_OUTPUTS:
                raise ValueError(f"target has {count} columns: a look takes from 1 to {MOST_OUTPUTS}")
            return list(range(count))
        if isinstance(self.output, int):
            if count != 1 and self.output >= count:
                raise ValueError(
                    f"target has {count} columns, and output={self.output} is none of them: give one value per point, "
                    "or a column for each of the module's outputs"
                )
            return [0 if count == 1 else self.output]
        wanted = [int(column) for column in self.output]
        in_order, by_number = count == len(wanted), count > max(wanted)
        if in_order and by_number and wanted != sorted(wanted):
            raise ValueError(
                f"target has {count} columns, which may be in the order of output={shown(wanted)} or in that of the "
                f"module's outputs: give output={sorted(wanted)}, and the columns in that order"
            )
        if not in_order and not by_number:
            raise ValueError(
                f"target has {count} column{'' if count == 1 else 's'}, expected {len(wanted)}, one for each of "
                f"output={shown(wanted)} in that order, or at least {max(wanted) + 1}, one for each of the module's"
            )
        return list(range(count)) if in_order else wanted
