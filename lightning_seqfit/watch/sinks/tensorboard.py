"""TensorBoard: a look is one event; pictures, texts, the layout of charts and hyperparameters go to its writer.

TensorBoard shows the last layout of custom scalars of a run. One that somebody has written before ours is kept, with
our charts after his; one that he writes later, after the second look, replaces ours.

Its tab HPARAMS shows the hyperparameters and figures that are named first, in the first run that names any. So they are
written at the end, where the module has hyperparameters and nobody has named any: by default a ``TensorBoardLogger``
does at the start, with ``hp_metric``, and nothing can be added to that. With ``default_hp_metric=False`` ours are
there; who then names figures of his own after the training is too late: ``on_train_start`` is the place.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from lightning.fabric.utilities.cloud_io import get_filesystem
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar.layout_pb2 import Category, Layout
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard import summary as summaries

from lightning_seqfit.figures import Image, as_png
from lightning_seqfit.watch.lightning_internals import hyperparameters
from lightning_seqfit.watch.sinks.any_logger import AnyLogger
from lightning_seqfit.watch.sinks.base import Overview

#: What was said of the probes of each logger, by title.
_OVERVIEWS: WeakKeyDictionary[Any, dict[str, Overview]] = WeakKeyDictionary()


class TensorBoard(AnyLogger):
    """Lightning's ``TensorBoardLogger``."""

    def log_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values as one event, which is what the writer makes of each by itself.

        Checksums in Python and a queue of ten would cost as much as the whole look.
        """
        writer = self._plain_writer()
        if writer is None:
            super().log_scalars(values, step)
            return
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        writer._get_file_writer().add_summary(summary, step)  # type: ignore[no-untyped-call]

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture as it lies beside the record: to pack it smaller takes as long as to draw it."""
        if (writer := self._plain_writer()) is None:
            super().log_picture(tag, image, step)
            return
        height, width, channels = image.shape
        packed = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=as_png(image))
        summary = Summary(value=[Summary.Value(tag=tag, image=packed)])
        writer._get_file_writer().add_summary(summary, step)  # type: ignore[no-untyped-call]

    def log_mark(self, tag: str, value: float, step: int) -> None:
        """Log it as any other value."""
        self.log_scalars({tag: value}, step)

    def show_overview(self, overview: Overview, step: int) -> None:
        """Write a layout of all probes' charts, after those that somebody else has laid out."""
        if (writer := self._plain_writer()) is None:  # who renames tags knows their names
            return
        known = _OVERVIEWS.setdefault(self.logger, {})
        known[overview.title] = overview
        layout = Layout()
        for value in _written(writer, CONFIG_SUMMARY_TAG):
            layout.ParseFromString(value.tensor.string_val[0])
        theirs = [each for each in layout.category if each.title not in known]
        charts = {
            each.title: {title: ["Multiline", [*tags]] for title, tags in each.charts.items()}
            for each in known.values()
        }
        summary = summaries.custom_scalars(charts)  # type: ignore[no-untyped-call]
        ours = Layout.FromString(summary.value[0].tensor.string_val[0])
        both: list[Category] = [*theirs, *ours.category]
        summary.value[0].tensor.string_val[0] = Layout(category=both).SerializeToString()
        writer._get_file_writer().add_summary(summary, step)  # type: ignore[no-untyped-call]

    def end(self, *, finished: bool) -> None:
        """Write the hyperparameters that the logger knows, and what figures of all probes runs are compared by."""
        writer, known, given = self._plain_writer(), _OVERVIEWS.get(self.logger, {}), hyperparameters(self.logger)
        if writer is None or not given or any(True for _ in _written(writer, metadata.EXPERIMENT_TAG)):
            return  # one without hyperparameters would hide those of all other runs
        compared = {tag: label for overview in known.values() for tag, label in overview.compared.items()}
        said = summaries.hparams(given, {})  # type: ignore[no-untyped-call]
        for number, summary in enumerate(said):  # the experiment, the session's start, and its end
            plugin = summary.value[0].metadata.plugin_data
            content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
            if number == 0:
                content.experiment.metric_infos.extend(
                    api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=label)
                    for tag, label in compared.items()
                )
            elif number == 2 and not finished:
                content.session_end_info.status = api_pb2.STATUS_FAILURE
            plugin.content = content.SerializeToString()
            writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def _plain_writer(self) -> SummaryWriter | None:
        """Torch's writer, if the logger would do nothing but hand each scalar to it."""
        logger = self.logger
        names = ("lightning.fabric.loggers.tensorboard", "lightning_fabric.loggers.tensorboard")  # one code, twice
        plain = [sys.modules[name].TensorBoardLogger.log_metrics for name in names if name in sys.modules]
        if getattr(type(logger), "log_metrics", None) not in plain or logger._prefix or "log_metrics" in vars(logger):
            return None
        writer = logger.experiment
        return writer if type(writer) is SummaryWriter else None


def _written(writer: SummaryWriter, tag: str) -> Iterator[Summary.Value]:
    """Values of a tag that a writer has written so far, whoever asked it to.

    TensorBoard's own reader checks every byte in Python, which takes seconds where there are pictures.
    """
    writer.flush()
    path = writer._get_file_writer().event_writer._file_name  # type: ignore[no-untyped-call]
    try:
        with get_filesystem(path).open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:  # far away: it is there when it is closed
        return
    position = 0
    while position + 12 <= len(data):  # length, its checksum, an event, its checksum
        (length,) = struct.unpack_from("<Q", data, position)
        event = data[position + 12 : position + 12 + length]
        position += 16 + length
        if tag.encode() in event:
            yield from (value for value in Event.FromString(event).summary.value if value.tag == tag)
