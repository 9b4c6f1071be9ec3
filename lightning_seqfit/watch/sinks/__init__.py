"""How a look's scalars, pictures and texts reach a logger, in the way each logger takes them.

A logger is known by the name of its class or of one that it derives from: each exists twice, in ``lightning.pytorch``
and in ``pytorch_lightning``. One of the user's own is known by the client that is its ``experiment``. To add a logger:
a file that says how its client takes a picture and a text, and a line in a table below.
"""

from __future__ import annotations

import logging
from typing import Any

from lightning_seqfit.watch.sinks.any_logger import AnyLogger
from lightning_seqfit.watch.sinks.base import Overview, Sink
from lightning_seqfit.watch.sinks.comet import Comet
from lightning_seqfit.watch.sinks.lit import Lit
from lightning_seqfit.watch.sinks.mlflow import MLflow
from lightning_seqfit.watch.sinks.neptune import Neptune
from lightning_seqfit.watch.sinks.tensorboard import TensorBoard
from lightning_seqfit.watch.sinks.trackio import Trackio
from lightning_seqfit.watch.sinks.wandb import Wandb

__all__ = ["Overview", "Sink", "sink_for"]

log = logging.getLogger(__name__)

_BY_CLASS: dict[str, type[AnyLogger]] = {
    "TensorBoardLogger": TensorBoard,
    "WandbLogger": Wandb,
    "MLFlowLogger": MLflow,
    "CometLogger": Comet,
    "NeptuneLogger": Neptune,
    "TrackioLogger": Trackio,
    "LitLogger": Lit,
}
#: By the package of ``experiment``: those that need nothing else of the logger.
_BY_CLIENT: dict[str, type[AnyLogger]] = {
    "comet_ml": Comet,
    "neptune": Neptune,
    "neptune_scale": Neptune,
    "trackio": Trackio,
    "litlogger": Lit,
}


def sink_for(logger: Any) -> Sink:
    """Return what takes scalars, pictures and texts for a logger.

    Parameters
    ----------
    logger : one of ``trainer.loggers``. A logger whose ``experiment`` raises is not an error here: it may take scalars.

    Examples
    --------
    >>> from lightning.pytorch.loggers import TensorBoardLogger
    >>> type(sink_for(TensorBoardLogger("logs"))).__name__
    'TensorBoard'
    """
    for kind in type(logger).__mro__:
        if kind.__name__ in _BY_CLASS:
            return _BY_CLASS[kind.__name__](logger)
    return AnyLogger(logger) if hasattr(logger, "log_image") else _BY_CLIENT.get(_client(logger), AnyLogger)(logger)


def _client(logger: Any) -> str:
    """Name of the package that a logger's ``experiment`` comes from, empty where that raises."""
    try:
        return type(getattr(logger, "experiment", None)).__module__.partition(".")[0]
    except Exception as error:
        log.debug("the logger has no experiment", exc_info=error)
        return ""
