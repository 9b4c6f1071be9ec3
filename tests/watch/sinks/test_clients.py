"""Clients that are too heavy to install, or clash with what we need: stand-ins that take what is documented, no more.

Where a client is installed, its signatures are compared with those of its stand-in. Documented in:

- Comet: https://www.comet.com/docs/v2/api-and-sdk/python-sdk/reference/Experiment/ (``log_image``, ``log_text``)
- Neptune 1.x: https://docs-legacy.neptune.ai/api/field_types/ (``append``, ``File.from_content``)
- neptune-scale: https://docs.neptune.ai/run/log_files, https://docs.neptune.ai/run/log_string_series
- Trackio: https://huggingface.co/docs/trackio/api (``Run.log``, ``Image``, ``Markdown``)
- LitLogger: https://lightning.ai/docs/litlogger (``Series.append``, ``Image``, ``Text``)
"""

from __future__ import annotations

import inspect
import io
import sys
from collections import defaultdict
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from lightning_seqfit.watch.sinks import sink_for

PICTURE = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
SCALARS = {"seqfit/front/fitted": 0.25, "seqfit/error/max": 1e-7}


def checked_array(data: Any) -> Any:
    """Pixels as a client takes them without changing their brightness."""
    assert isinstance(data, np.ndarray)
    assert data.dtype == np.uint8
    assert data.shape[2] == 3
    return data


def decoded(png: Any) -> Any:
    assert isinstance(png, bytes)
    return np.rint(255 * imread(io.BytesIO(png))[..., :3])


class CometExperiment:
    def __init__(self) -> None:
        self.pictures: list[Any] = []
        self.texts: list[Any] = []

    def log_image(
        self,
        image_data: Any,
        name: Any = None,
        overwrite: Any = False,
        image_format: Any = "png",
        image_scale: Any = 1.0,
        image_shape: Any = None,
        image_colormap: Any = None,
        image_minmax: Any = None,
        image_channels: Any = "last",
        copy_to_tmp: Any = True,
        step: Any = None,
        annotations: Any = None,
        metadata: Any = None,
    ) -> Any:
        self.pictures.append((name, step, checked_array(image_data)))

    def log_text(self, text: Any, step: Any = None, metadata: Any = None) -> Any:
        self.texts.append((metadata["tag"], step, text))


class NeptuneFile:
    def __init__(self, png: Any) -> None:
        self.png = png

    @staticmethod
    def from_content(content: Any, *, extension: Any = None) -> NeptuneFile:
        assert extension == "png"
        return NeptuneFile(content)


class NeptuneHandler:
    def __init__(self, run: NeptuneRun, tag: str) -> None:
        self.run, self.tag = run, tag

    def append(self, value: Any, *, step: Any = None, timestamp: Any = None, wait: Any = False, **kwargs: Any) -> None:
        assert not kwargs
        if isinstance(value, NeptuneFile):
            self.run.pictures.append((self.tag, step, decoded(value.png)))
        else:
            self.run.texts.append((self.tag, step, value))


class NeptuneRun:
    def __init__(self) -> None:
        self.pictures: list[Any] = []
        self.texts: list[Any] = []

    def __getitem__(self, path: str) -> NeptuneHandler:
        return NeptuneHandler(self, path)


class NeptuneScaleRun:
    def __init__(self) -> None:
        self.pictures: list[Any] = []
        self.texts: list[Any] = []

    def log_files(self, files: Any, step: Any, *, timestamp: Any = None) -> None:
        self.pictures += [(tag, step, decoded(content)) for tag, content in files.items()]

    def log_string_series(self, data: Any, step: Any, *, timestamp: Any = None) -> None:
        self.texts += [(tag, step, text) for tag, text in data.items()]


class TrackioImage:
    def __init__(self, value: Any, caption: Any = None) -> None:
        self.pixels = checked_array(value)


class TrackioMarkdown:
    def __init__(self, text: Any = "") -> None:
        self.text = text


class TrackioRun:
    def __init__(self) -> None:
        self.pictures: list[Any] = []
        self.texts: list[Any] = []

    def log(self, metrics: Any, step: Any = None) -> None:
        for tag, value in metrics.items():
            if isinstance(value, TrackioImage):
                self.pictures.append((tag, step, value.pixels))
            else:
                self.texts.append((tag, step, value.text))


class LitImage:
    def __init__(self, data: Any, format: Any = "png", description: Any = "") -> None:
        self.pixels = checked_array(data)


class LitText:
    def __init__(self, content: Any, description: Any = "") -> None:
        self.text = content


class LitSeries:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def append(self, value: Any, step: Any = None) -> None:
        self.values.append((value, step))


class LitExperiment:
    def __init__(self) -> None:
        self.series: defaultdict[str, LitSeries] = defaultdict(LitSeries)

    def __getitem__(self, key: str) -> LitSeries:
        return self.series[key]

    def of(self, kind: type) -> list[Any]:
        there = [(tag, *entry) for tag, series in self.series.items() for entry in series.values]
        return [(tag, step, vars(value).popitem()[1]) for tag, value, step in there if isinstance(value, kind)]

    @property
    def pictures(self) -> list[Any]:
        return self.of(LitImage)

    @property
    def texts(self) -> list[Any]:
        return self.of(LitText)


def logger_called(name: str, experiment: Any) -> Any:
    """A logger as Lightning's, which keeps the scalars that it is given."""
    rows: list[Any] = []
    body = {"log_metrics": lambda self, metrics, step=None: rows.append((metrics, step)), "rows": rows}
    return type(name, (), {**body, "experiment": experiment})()


#: Class of the logger, the run it holds, where that comes from.
CLIENTS: dict[str, tuple[str, type, str]] = {
    "comet": ("CometLogger", CometExperiment, "comet_ml.experiment"),
    "neptune": ("NeptuneLogger", NeptuneRun, "neptune.metadata_containers.run"),
    "neptune-scale": ("NeptuneLogger", NeptuneScaleRun, "neptune_scale.api.run"),
    "trackio": ("TrackioLogger", TrackioRun, "trackio.run"),
    "litlogger": ("LitLogger", LitExperiment, "litlogger.experiment"),
}


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sink imports of a client, and nothing else of it."""
    parts: dict[str, dict[str, Any]] = {
        "neptune": {},
        "neptune.types": {"File": NeptuneFile},
        "trackio": {"Image": TrackioImage, "Markdown": TrackioMarkdown},
        "litlogger": {"Image": LitImage, "Text": LitText},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("known_by", ["its class", "its client"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_has_scalars_pictures_and_texts_by_tag_and_step(
    client: str, known_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kind, module = CLIENTS[client]
    if known_by == "its client":
        name = "Mine"
        monkeypatch.setattr(kind, "__module__", module)
    logger = logger_called(name, kind())
    sink = sink_for(logger)
    assert sink.takes_pictures
    sink.log_scalars(SCALARS, 7)
    for step, picture, text in ((7, PICTURE, "**progressing**"), (9, 255 - PICTURE, "**stuck**")):
        sink.log_picture("seqfit/bend-2.a/fit", picture, step)
        sink.log_text("seqfit/bend-2.a/verdict", text, step)
    assert logger.rows == [(SCALARS, 7)]
    pictures, texts = logger.experiment.pictures, logger.experiment.texts
    assert [entry[:2] for entry in pictures] == [("seqfit/bend-2.a/fit", 7), ("seqfit/bend-2.a/fit", 9)]
    np.testing.assert_array_equal([entry[2] for entry in pictures], [PICTURE, 255 - PICTURE])
    assert texts == [("seqfit/bend-2.a/verdict", 7, "**progressing**"), ("seqfit/bend-2.a/verdict", 9, "**stuck**")]


@pytest.mark.parametrize("logger", [type("TrackioLogger", (), {})(), logger_called("TrackioLogger", None)])
def test_a_trackio_logger_without_an_experiment_shows_pictures_in_the_run_that_began_last(
    logger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrackioRun()
    monkeypatch.setattr(sys.modules["trackio"], "log", run.log, raising=False)
    sink_for(logger).log_picture("seqfit/fit", PICTURE, 7)
    ((tag, step, _),) = run.pictures
    assert (tag, step) == ("seqfit/fit", 7)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_raises_is_raised(client: str) -> None:
    name, _, _ = CLIENTS[client]
    sink = sink_for(logger_called(name, SimpleNamespace()))
    for show, what in ((sink.log_picture, PICTURE), (sink.log_text, "**stuck**")):
        with pytest.raises((AttributeError, TypeError)):
            show("seqfit/fit", what, 7)


SIGNATURES: dict[str, Any] = {
    "comet_ml.experiment:BaseExperiment.log_image": CometExperiment.log_image,
    "comet_ml.experiment:BaseExperiment.log_text": CometExperiment.log_text,
    "neptune.handler:Handler.append": NeptuneHandler.append,
    "neptune.types:File.from_content": NeptuneFile.from_content,
    "neptune_scale:Run.log_files": NeptuneScaleRun.log_files,
    "neptune_scale:Run.log_string_series": NeptuneScaleRun.log_string_series,
    "trackio.run:Run.log": TrackioRun.log,
    "trackio:log": TrackioRun().log,
    "trackio:Image": TrackioImage,
    "trackio:Markdown": TrackioMarkdown,
    "litlogger:Image": LitImage,
    "litlogger:Text": LitText,
    "litlogger.series:Series.append": LitSeries.append,
}


@pytest.mark.parametrize("place", SIGNATURES)
def test_a_stand_in_has_the_signature_of_what_it_stands_for(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, path = place.partition(":")
    for name in [name for name in sys.modules if name.partition(".")[0] == module.partition(".")[0]]:
        monkeypatch.delitem(sys.modules, name)
    pytest.importorskip(module)
    found = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    there, ours = (inspect.signature(each).parameters.values() for each in (found, SIGNATURES[place]))
    assert [(each.name, each.kind, each.default) for each in ours] == [
        (each.name, each.kind, each.default) for each in there
    ]
