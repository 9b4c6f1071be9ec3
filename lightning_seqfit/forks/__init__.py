"""The same training once more, from outside, with one change each: which of them ends a stall of the user's own module.

:mod:`.change` says what a change is and which cannot be made from outside, :mod:`.place` finds the network,
:mod:`.network` and :mod:`.optimizer` make a change, :mod:`.training` trains with it, :mod:`.looks` measures how far it
gets, :mod:`.forking` makes the table.
"""

from lightning_seqfit.forks.forking import fork

__all__ = ["fork"]
