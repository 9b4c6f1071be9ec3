"""Weights & Biases: a text is a page of its own, since its tables grow by a file a row."""

from __future__ import annotations

import re
from html import escape

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class Wandb(AnyLogger):
    """Lightning's ``WandbLogger``, whose metrics may be pictures and pages: all keep its axis of steps."""

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture with a slider over the steps."""
        self.logger.log_image(key=tag, images=[image], step=step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Show a text as it is written, with a slider over the steps: no panel reads Markdown."""
        from wandb import Html

        page = Html(f'<pre style="white-space: pre-wrap">{escape(text)}</pre>')
        self.logger.log_metrics({tag: page}, step=step)

    def log_report(self, tag: str, page: str, step: int) -> None:
        """Show the page as it is, and keep it as the file of an artifact of type ``report``."""
        from wandb import Artifact, Html

        self.logger.log_metrics({tag: Html(page, inject=False)}, step=step)
        experiment = self.logger.experiment
        artifact = Artifact(re.sub("[^a-zA-Z0-9_.-]+", "-", f"{tag}-{experiment.id}"), type="report")
        with artifact.new_file("report.html", encoding="utf-8") as file:
            file.write(page)
        experiment.log_artifact(artifact)
