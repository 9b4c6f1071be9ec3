"""Scalars arrive in TensorBoard as they would by ``log_metrics``, pictures and texts as its writer writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.watch.sinks import Overview, sink_for
from tests.training import Net, fit, probe, trainer

SCALARS = {"seqfit/front/fitted": 0.25, "seqfit/error/max": 1e-7, "seqfit/oscillations/target": 13.0}


def events(folder: str) -> EventAccumulator:
    return EventAccumulator(folder).Reload()


def read(folder: str) -> dict[str, list[tuple[int, float]]]:
    there = events(folder)
    return {tag: [(e.step, e.value) for e in there.Scalars(tag)] for tag in there.Tags()["scalars"]}


def test_tensorboard_reads_the_same_as_from_log_metrics(tmp_path: Path) -> None:
    ours, theirs = (TensorBoardLogger(tmp_path, name=name) for name in ("ours", "theirs"))
    for step in (0, 7):
        sink_for(ours).log_scalars(SCALARS, step)
        theirs.log_metrics(SCALARS, step=step)
    for logger in (ours, theirs):
        logger.finalize("success")
    assert read(ours.log_dir) == read(theirs.log_dir)
    assert read(ours.log_dir)["seqfit/front/fitted"] == [(0, 0.25), (7, 0.25)]


class Renaming(TensorBoardLogger):
    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        super().log_metrics({f"mine/{tag}": value for tag, value in metrics.items()}, step)


@pytest.mark.parametrize("kind", ["subclass", "prefix"])
def test_a_tensorboard_logger_that_does_more_is_asked_by_log_metrics(kind: str, tmp_path: Path) -> None:
    logger = Renaming(tmp_path) if kind == "subclass" else TensorBoardLogger(tmp_path, prefix="mine")
    sink_for(logger).log_scalars({"seqfit/front/fitted": 0.5}, 3)
    logger.finalize("success")
    (tag,) = [tag for tag in read(logger.log_dir) if "fitted" in tag]
    assert tag.startswith("mine")


def test_tensorboard_has_the_picture_and_the_text(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    logger = TensorBoardLogger(tmp_path)
    sink = sink_for(logger)
    assert sink.takes_pictures
    sink.log_picture("seqfit/fit", picture, 7)
    sink.log_text("seqfit/verdict", "**stuck**", 8)
    logger.finalize("success")
    there = events(logger.log_dir)
    (image,) = there.Images("seqfit/fit")
    (tmp_path / "read.png").write_bytes(image.encoded_image_string)
    assert image.step == 7
    np.testing.assert_array_equal(np.rint(255 * imread(tmp_path / "read.png")), picture)
    (text,) = there.Tensors("seqfit/verdict/text_summary")
    assert (text.step, text.tensor_proto.string_val) == (8, [b"**stuck**"])


LEFT = Overview("seqfit/left", {"error": ("^seqfit/left/error/max$",)}, {"seqfit/left/error/max": "hp/left/error"})
RIGHT = Overview("seqfit/right", {"error": ("^seqfit/right/error/max$",)}, {"seqfit/right/error/max": "hp/right/error"})


def layouts(folder: str) -> list[dict[str, dict[str, list[str]]]]:
    """Those that were written, one after the other: tags by chart by category. TensorBoard shows the last."""
    there = events(folder)
    written = [Layout.FromString(each.tensor_proto.string_val[0]) for each in there.Tensors("custom_scalars__config__")]
    return [
        {each.title: {chart.title: [*chart.multiline.tag] for chart in each.chart} for each in layout.category}
        for layout in written
    ]


def hparams(folder: str) -> dict[str, HParamsPluginData]:
    """What the tab HPARAMS reads, by the end of its tag: of each the first that was written."""
    there = events(folder)
    tags = there.PluginTagToContent("hparams") if "hparams" in there._plugin_to_tag_to_content else {}
    return {tag.rpartition("/")[2]: HParamsPluginData.FromString(content) for tag, content in tags.items()}


class TestLayout:
    def test_probes_of_one_logger_share_the_last(self, tmp_path: Path) -> None:
        logger = TensorBoardLogger(tmp_path)
        for step, overview in enumerate((LEFT, RIGHT, LEFT)):
            sink_for(logger).show_overview(overview, step)
        logger.finalize("success")
        assert layouts(logger.log_dir)[-1] == {each.title: {"error": [*each.charts["error"]]} for each in (LEFT, RIGHT)}

    def test_one_that_the_user_has_written_comes_first(self, tmp_path: Path) -> None:
        logger = TensorBoardLogger(tmp_path)
        logger.experiment.add_custom_scalars({"mine": {"losses": ["Multiline", ["loss.*"]]}})
        sink_for(logger).show_overview(LEFT, 0)
        logger.experiment.add_custom_scalars({"new": {"losses": ["Multiline", ["loss.*"]]}})
        sink_for(logger).show_overview(RIGHT, 1)
        logger.finalize("success")
        _, kept, _, last = layouts(logger.log_dir)
        assert list(kept) == ["mine", "seqfit/left"]
        assert kept["mine"] == {"losses": ["loss.*"]}
        assert list(last) == ["new", "seqfit/left", "seqfit/right"]

    def test_a_logger_that_names_tags_anew_has_none(self, tmp_path: Path) -> None:
        logger = Renaming(tmp_path)
        sink_for(logger).show_overview(LEFT, 0)
        logger.experiment.add_scalar("loss", 1.0)
        logger.finalize("success")
        assert "custom_scalars__config__" not in events(logger.log_dir).Tags()["tensors"]


class WithParameters(Net):
    def __init__(self, width: int = 16, kind: str = "wide") -> None:
        super().__init__()
        self.save_hyperparameters()


class NamesItsOwn(WithParameters):
    def on_train_start(self) -> None:
        self.logger.log_hyperparams(self.hparams, {"hp/mine": 0.0})  # type: ignore[union-attr, call-arg]


class TestHyperparameters:
    def trained(self, folder: Path, module: L.LightningModule, **options: Any) -> dict[str, HParamsPluginData]:
        logger = TensorBoardLogger(folder, **{"default_hp_metric": False, **options})
        fit(trainer(folder, [SequentialFitting(probe(name=name)) for name in ("left", "")], logger=logger), module)
        return hparams(logger.log_dir)

    def test_the_module_s_own_with_figures_of_every_probe(self, tmp_path: Path) -> None:
        found = self.trained(tmp_path, WithParameters(width=8))
        start = found["session_start_info"].session_start_info.hparams
        assert {name: value.number_value or value.string_value for name, value in start.items()} == {
            "width": 8.0,
            "kind": "wide",
        }
        named = {each.display_name: each.name.tag for each in found["experiment"].experiment.metric_infos}
        assert {"hp/fitted", "hp/left/fitted", "hp/error", "hp/left/error"} <= set(named)
        assert named["hp/left/error"] == "seqfit/left/error/relative_rmse"
        assert found["session_end_info"].session_end_info.status == 1  # STATUS_SUCCESS

    def test_those_that_lightning_has_written_stay_alone(self, tmp_path: Path) -> None:
        found = self.trained(tmp_path, WithParameters(), default_hp_metric=True)
        assert [each.name.tag for each in found["experiment"].experiment.metric_infos] == ["hp_metric"]

    def test_those_that_the_module_names_stay_alone(self, tmp_path: Path) -> None:
        found = self.trained(tmp_path, NamesItsOwn())
        assert [each.name.tag for each in found["experiment"].experiment.metric_infos] == ["hp/mine"]

    def test_a_module_without_any_hides_those_of_no_other_run(self, tmp_path: Path) -> None:
        assert self.trained(tmp_path, Net()) == {}

    @pytest.mark.filterwarnings("ignore:.*Detected KeyboardInterrupt:UserWarning")
    def test_a_run_that_breaks_off_says_that_it_failed(self, tmp_path: Path) -> None:
        class Breaks(WithParameters):
            def training_step(self, batch: Any, batch_idx: int) -> Any:
                if self.global_step == 5:
                    raise KeyboardInterrupt
                return super().training_step(batch, batch_idx)

        with pytest.raises(SystemExit):
            self.trained(tmp_path, Breaks())
        found = hparams(str(tmp_path / "lightning_logs" / "version_0"))
        assert found["session_end_info"].session_end_info.status == 2  # STATUS_FAILURE
