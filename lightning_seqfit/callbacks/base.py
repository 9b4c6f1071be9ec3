"""The Lightning callback that all others are, with a selection of diagnostics."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lightning_seqfit.diagnostics import Diagnostic, checked_own
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.checks import checked_cadence
from lightning_seqfit.probe.checks.echo import shown
from lightning_seqfit.watch.readiness import has_a_hook_of_its_own
from lightning_seqfit.watch.schedule import Cadence
from lightning_seqfit.watch.watch import Watch
from lightning_seqfit.words import warn


class ProbeCallback(pl.Callback):
    """Watches a module at a probe's points while it trains, and leaves the training as it is.

    Of several callbacks on one probe the first in the trainer's list does the work for all: one evaluation, one record,
    every tag once, a look whenever one of them is due.

    Attributes
    ----------
    stop_on : words of the verdicts that end the training, on whichever of them it was given.
    report : whether a page on the run is written at its end, beside the record.
    """

    stop_on: tuple[str, ...] = ()

    def __init__(
        self,
        probe: Probe,
        diagnostics: Sequence[Diagnostic],
        every_n_steps: Cadence,
        also: Sequence[Diagnostic],
        report: bool,
    ) -> None:
        if not isinstance(probe, Probe):
            raise TypeError(f"probe is {type(probe).__name__}: make one with lightning_seqfit.Probe.grid(...)")
        _refuse_old_pytorch_lightning()
        self.probe = probe
        if not isinstance(report, bool):
            raise TypeError(f"report={shown(report)} is neither True nor False: give True for a page at the run's end")
        self.every_n_steps: Cadence = checked_cadence(every_n_steps)
        self.report = report
        self._diagnostics = [*diagnostics, *checked_own(also)]
        self._state_key = f"seqfit.{type(self).__name__}[{_name(probe)}]"
        self.from_outside = False  # attached without the script's knowledge: what it cannot do is said, not raised
        self._watch: Watch | None = None  # that we work for; of several callbacks on one probe, the first does
        self._shared: Watch | None = None  # that one of them works for
        self._restored: dict[str, Any] | None = None
        self._starting = False  # a fit was called, and its training has not started yet

    @property
    def state_key(self) -> str:
        """Key in checkpoints and name in Lightning's profiler."""
        return self._state_key

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what cannot work together, before anything runs."""
        if stage != "fit":
            return
        self._starting, self._restored = True, None
        self._hide_hooks(trainer)
        try:
            self._refuse_clashes(_ours(trainer))
        except ValueError as error:
            if not self.from_outside:
                raise
            self._stand_aside(trainer, error)

    def _refuse_clashes(self, ours: list[ProbeCallback]) -> None:
        others = [other for other in ours if other.probe is not self.probe]
        rivals = [other for other in others if _names(other.probe) & _names(self.probe)]
        if any(self.from_outside or not rival.from_outside for rival in rivals):
            name = min(_names(rivals[0].probe) & _names(self.probe))
            unnamed = ", as one without a name is called" if name == "probe" else ""
            raise ValueError(
                f"two probes are named {name!r}{unnamed}: tags, files and checkpoints would mix; give each its own "
                "name=, as in Probe.grid(..., name='left'), or share one probe between the callbacks"
            )
        for callback in ours:
            shared = [mine for mine in self._diagnostics if any(mine is theirs for theirs in callback._diagnostics)]
            if callback.probe is not self.probe and shared:
                raise ValueError(
                    f"one {type(shared[0]).__name__} is given to two probes, and mixes what it sees: make one for each"
                )
            if callback.probe is self.probe:
                for mine in self._diagnostics:
                    for theirs in callback._diagnostics:
                        if mine.name == theirs.name and _listens(mine) != _listens(theirs):
                            raise ValueError(
                                f"two callbacks on one probe have diagnostics of their own named {mine.name!r}, "
                                f"{' and '.join(map(_listens, (mine, theirs)))}: give each another name"
                            )
                        if mine.name == theirs.name and mine.options != theirs.options:
                            raise ValueError(
                                f"two callbacks on one probe measure {mine.name!r} with different options "
                                f"({mine.options} and {theirs.options}): they share one record; use the same "
                                "options, or a second probe with a name= of its own"
                            )

    def _stand_aside(self, trainer: pl.Trainer, error: Exception) -> None:
        """Say why nothing is watched, and leave the trainer's list."""
        if trainer.is_global_zero:
            warn(f"{type(self).__name__} was attached from outside and does not watch this training: {error}")
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        trainer.callbacks = [callback for callback in callbacks if callback is not self]  # type: ignore[attr-defined]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the target, check what can be checked without the module, and go on from what was restored."""
        peers = self._peers(trainer)
        if peers[0] is not self:
            return
        watch, restored = self._gather(peers)
        self._hide_hooks(trainer, but="on_train_batch_start")
        self._or_stand_aside(
            trainer, lambda: watch.start(trainer, pl_module, [peer.every_n_steps for peer in peers], restored)
        )
        self._tell_of_residuals(trainer)

    def _tell_of_residuals(self, trainer: pl.Trainer) -> None:
        """Let every probe know whether another one watches a residual: whichever begins last knows of all."""
        watches = [callback._watch for callback in {*_ours(trainer), self} if callback._watch is not None]
        for watch in watches:
            watch.verdicts.set_beside(any(other.verdicts.of_residual for other in watches if other is not watch))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the module and take the first look, if the module does nothing in this hook, which comes after ours."""
        if not has_a_hook_of_its_own(pl_module, "on_train_epoch_start"):
            self._begin(trainer, pl_module, early=True)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Check the module and take the first look, before the first batch: its own hooks of the start have run."""
        self._begin(trainer, pl_module)

    def _begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, early: bool = False) -> None:
        watch = self._watch
        if watch is not None and watch.waiting:
            self._hide_hooks(trainer, but="on_train_batch_start" if early else "on_before_backward")
            self._or_stand_aside(trainer, lambda: watch.begin(trainer, pl_module, early=early))
        elif not early:
            self._hide_hooks(trainer, but="on_before_backward" if watch is not None else "")

    def on_before_zero_grad(self, *args: Any) -> None:
        """Nothing."""

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Look at the first losses, whether they are made of derivatives: whether an equation is solved."""
        if self._watch is None or self._watch.verdicts.look_at_loss(pl_module, loss):
            self._hide_hooks(trainer)

    def on_after_backward(self, *args: Any) -> None:
        """Nothing."""

    def on_before_optimizer_step(self, *args: Any) -> None:
        """Nothing."""

    def _hide_hooks(self, trainer: pl.Trainer, but: str = "") -> None:
        """Have Lightning pass over the hooks of every step that a subclass has not made its own.

        It passes over what is not callable; to be called for nothing costs 2 % of a training with steps of 1.5 ms.
        Another callback that forwards its hooks to this one finds them all.
        """
        direct = any(callback is self for callback in trainer.callbacks)  # type: ignore[attr-defined]
        for name in _HOOKS_OF_A_STEP:
            self.__dict__.pop(name, None)
            if direct and name != but and getattr(type(self), name) is getattr(ProbeCallback, name):
                self.__dict__[name] = None

    def _or_stand_aside(self, trainer: pl.Trainer, begin: Callable[[], None]) -> None:
        """Begin; where that fails and the script does not know of us, leave it."""
        try:
            begin()
        except Exception as error:
            if not self.from_outside:
                raise
            self._watch = None
            self._stand_aside(trainer, error)

    def _peers(self, trainer: pl.Trainer) -> list[ProbeCallback]:
        """Callbacks on our probe; the first one works for all. One that another callback forwards to counts as well."""
        peers = [callback for callback in _ours(trainer) if callback.probe is self.probe]
        return peers if self in peers else [*peers, self]

    def _gather(self, peers: list[ProbeCallback]) -> tuple[Watch, dict[str, Any] | None]:
        """The watch, told what the peers measure, and the state that one of them has loaded."""
        if self._watch is None:
            self._watch = Watch(self.probe)
        restored = next((peer._restored for peer in peers if peer._restored is not None), None)
        diagnostics: dict[str, Diagnostic] = {}
        for peer in peers:
            peer._starting, peer._restored, peer._shared = False, None, self._watch
            for diagnostic in peer._diagnostics:
                diagnostics.setdefault(diagnostic.name, diagnostic)
        self._watch.set_diagnostics(diagnostics)
        self._watch.verdicts.stop_on = {verdict for peer in peers for verdict in peer.stop_on}
        for column in self._watch.columns:
            column.keeping.report = any(peer.report for peer in peers)
        return self._watch, restored

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the loss, and look if a look is due."""
        if self._watch is not None:
            self._watch.after_batch(trainer, pl_module, outputs)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take a look that is due, and put our state into the checkpoint.

        Done here and not in ``state_dict``, since a callback appended to ``trainer.callbacks`` has not looked yet when
        Lightning collects the states.
        """
        state = self._restored
        if self._watch is not None and not self._starting:
            state = self._watch.checkpoint(trainer, pl_module)
        if state is not None:
            checkpoint.setdefault("callbacks", {})[self.state_key] = state

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Find the probe's state, whichever callback saved it; the fit that is about to start goes on from it.

        Weights that are loaded for a test, or put back by a search for a learning rate, are no fit to go on from.
        """
        if not self._starting:
            return
        probe = self.state_key[self.state_key.index("[") :]
        states: Mapping[str, Any] = checkpoint.get("callbacks", {})
        for key, state in states.items():
            if key.startswith("seqfit.") and key.endswith(probe):
                self._restored = state

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the last look, write the record and the figures."""
        if self._watch is not None:
            self._watch.finish(trainer, pl_module, look=True)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Do the same when the training breaks off; other processes may be gone, so only a single one looks."""
        self._starting = False
        if self._watch is not None:
            self._watch.finish(trainer, pl_module, look=trainer.world_size == 1)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write what no other hook has written; keep what was loaded where nothing was left to train."""
        peers = self._peers(trainer)
        if self._starting and peers[0] is self:
            watch, restored = self._gather(peers)
            if restored is not None:
                watch.restore(pl_module, restored)
        elif self._watch is not None:
            self._watch.finish(trainer, pl_module, look=False)
        for name in _HOOKS_OF_A_STEP:
            self.__dict__.pop(name, None)


def _refuse_old_pytorch_lightning() -> None:
    """Say what its Trainer's ``ValueError: Expected a parent`` means: it takes no callback whose class is not its own.

    A pip that checks dependencies installs no such version beside this package.
    """
    version = str(getattr(sys.modules.get("pytorch_lightning"), "__version__", ""))
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < (2, 6):
        raise ImportError(
            f"pytorch_lightning {version} is imported, whose Trainer takes callbacks of its own only; lightning-seqfit "
            "works with 2.6.0 or later: pip install 'pytorch-lightning>=2.6.0'"
        )


def _ours(trainer: pl.Trainer) -> list[ProbeCallback]:
    """Our callbacks in the order of the trainer's list."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, ProbeCallback)]


def _listens(diagnostic: Diagnostic) -> str:
    """What a diagnostic is, and which layer it listens to; those of ours say their layer as an option."""
    layer = getattr(diagnostic.read_out, "layer", None) if not diagnostic.section else None
    return type(diagnostic).__name__ + (f" at {layer}" if layer else "")


def _name(probe: Probe) -> str:
    """What a probe is called in checkpoints and files."""
    return probe.name or "probe"


def _names(probe: Probe) -> set[str]:
    """What a probe and its outputs are called there."""
    return {_name(probe), *map(_name, probe.split())}


_HOOKS_OF_A_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
