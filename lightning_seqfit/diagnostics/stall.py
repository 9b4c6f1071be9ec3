"""Whether a fit still gets on, and if not, why: what is kept of each look for it, and what is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.diagnosis import Course, Diagnosis, Forecast, Situation, Tally, conclude, judge, words
from lightning_seqfit.diagnosis.advice import advise
from lightning_seqfit.diagnosis.forecast import forecast
from lightning_seqfit.diagnosis.signs import NUMBERS, Signs
from lightning_seqfit.diagnosis.tally import TAGS
from lightning_seqfit.diagnosis.verdict import DONE, STALLED, Verdict
from lightning_seqfit.diagnostics.base import NO_TARGET, Fact, Following, Form, Scene, Seen, Stored
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.front import active_points, local_scale
from lightning_seqfit.measures.highest import highest_frequencies
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.read_out import FirstLayer

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.base import Reading
    from lightning_seqfit.record import Run

#: Cells on which it is kept how far each place has got.
MOST_CELLS = 256

_COLUMNS = {name: f"kept/stall/{name}" for name in NUMBERS}
_COURSE = {each.name: f"kept/stall/course/{each.name}" for each in fields(Course)}
_COURSE |= {name: f"kept/stall/{name}" for name in ("verdict", "since")}
_FORECAST = ("forecast_step", "forecast_low", "forecast_high")


@dataclass(frozen=True)
class StallRecord(Section):
    """What was said of a fit at each look.

    Attributes
    ----------
    verdict : words, shape ``(looks,)``; empty: none was said.
    stalled : shape ``(looks,)``, 0 or 1.
    since : step since which it is, shape ``(looks,)``; NaN: it is not.
    doublings : of the step count that are still needed, shape ``(looks,)``; ``inf``: it does not move.
    forecast_step, forecast_low, forecast_high : shape ``(looks,)``; ``inf``: more than 4 times as many steps.
    signs, situation : what it goes by.
    remembered : what the procedure remembered at each look, by the names of
        :class:`~lightning_seqfit.diagnosis.procedure.Course`, shape ``(looks,)`` each.
    """

    chart = "loss"

    verdict: NDArray[np.str_]
    stalled: FloatArray
    since: FloatArray
    doublings: FloatArray
    forecast_step: FloatArray
    forecast_low: FloatArray
    forecast_high: FloatArray
    signs: Signs
    situation: Situation
    remembered: Mapping[str, FloatArray]

    def course(self, look: int) -> Course | None:
        """What was remembered at a look, also where the record has lost looks before it; None: not recorded."""
        numbers = {name: float(values[look]) for name, values in self.remembered.items()}
        return None if math.isnan(numbers["verdict"]) else Course.of_numbers(numbers)


class StallDiagnostic(Following):
    """Whether a fit gets on, judged at each look from what front, spectrum, basis and training tell.

    Attributes
    ----------
    beside : a residual is watched in the same trainer, by another probe.
    equation : the training's loss is made of derivatives; None: not known.
    course : what is remembered from look to look; of the latest one. ``coming``: its forecast.
    """

    name = "stall"
    section = "stall"

    def __init__(self) -> None:
        self.beside = False
        self.equation: bool | None = None
        self._forget()

    def _forget(self) -> None:
        self.course, self._tally = Course(), Tally()
        self._seen: tuple[float, ...] = ()  # lengths of the domain as the network sees it, and the largest coordinate
        self._latest: tuple[Signs, Situation] | None = None
        self.coming: Forecast | None = None
        self._width, self._terms = math.nan, 0
        self._adaptive: bool | None = None

    def unable(self, scene: Scene) -> str:
        """Without a target."""
        return "" if scene.known else NO_TARGET

    def begin(self, scene: Scene) -> None:
        """Find the active points and the frequencies that matter, and listen how the network sees its inputs."""
        self.scene, self._latest = scene, None
        geometry, trend = scene.geometry, scene.trend
        local = local_scale(geometry, trend, noise=scene.noise) if scene.relative == "local" else None
        self._active = active_points(geometry, trend, noise=scene.noise, local=local)
        share = geometry.coarsen(self._active.astype(np.float64), MOST_CELLS)
        self._share = np.where(share > 0.0, share, np.nan)
        known = [highest_frequencies(part.geometry, part.trend, part.noise) for part in scene.each]
        size = scene.scale.mean_square
        self._fixed = Situation(
            axes=tuple(geometry.axes),
            frequencies=tuple(max(each) for each in zip(*known, strict=True)),
            lengths=tuple(float(each) for each in geometry.lengths),
            noise=scene.noise / math.sqrt(size) if size > 0.0 else 0.0,
            residual=not np.any(scene.target),
            oscillates=trend.variance > 0.0,
            relative=scene.scale.of != "first look",
            size=math.sqrt(size) if size > 0.0 else math.nan,
        )
        self.read_out = FirstLayer(geometry.dimension)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Hear once which inputs the network sees, behind a normalisation of its own."""
        if self.read_out is not None and not self._seen:
            heard = observation.features
            if heard is not None:
                low, high = heard.min(axis=0), heard.max(axis=0)
                asked = self.scene.geometry.asked
                lengths = (high - low) / np.ptp(asked, axis=0) * self.scene.geometry.lengths
                self._seen = (*(float(each) for each in lengths), float(np.max(np.abs([low, high]))))
        self.read_out = None
        return super().look(observation, scale, step)

    def follow(self, seen: Seen, step: int) -> dict[str, float]:
        """Keep the signs of a look, and judge by them."""
        local = seen.fields.get("front/local_error")
        if local is None:
            self._latest = None
            return {}
        error = np.fmin(local, 1.0) * self._active  # NaN: as far off as can be
        clipped = self.scene.geometry.coarsen(error, MOST_CELLS) / self._share
        numbers = {name: seen.scalars.get(tag, math.nan) for name, tag in TAGS.items()}
        width = seen.scalars.get("basis/width", math.nan)
        self._width = self._width if math.isnan(width) else width
        adaptive = seen.scalars.get("training/adaptive")
        self._adaptive = self._adaptive if adaptive is None else bool(adaptive)
        numbers |= {
            "error": seen.scalars["error/relative_rmse"],
            "mean_error": float(error.sum() / self._active.sum()),
            "rank_share": seen.scalars.get("basis/numerical_rank", math.nan) / (width or math.nan),
        }
        taken = self._tally.take(step, numbers, clipped)
        seen.keep({"stall/clipped": clipped, **{_COLUMNS[name]: value for name, value in taken.items()}})
        self._terms = max(self._terms, len([tag for tag in seen.scalars if tag.startswith("training/loss/")]))
        signs = Signs.of(
            {name: seen.recorded(column) for name, column in _COLUMNS.items()},
            seen.recorded("total_steps"),
            seen.recorded("stall/clipped"),
            {face: seen.recorded(f"scalar/front/depth/{face}") for face in self.scene.geometry.faces},
        )
        situation = self._situation()
        self._latest = signs, situation
        self.course = judge(signs, len(signs) - 1, situation, self.course)
        verdict = self.course.verdict
        self.coming = coming = None if verdict in DONE else forecast(signs, len(signs) - 1)
        seen.keep({_COURSE[name]: value for name, value in self.course.as_numbers().items()})
        steps = (coming.step, coming.low, coming.high) if coming else (math.nan,) * 3
        return {
            "stall/stalled": float(verdict in STALLED),
            "stall/doublings": self.course.doublings,
            **{f"stall/{name}": value for name, value in zip(_FORECAST, steps, strict=True)},
        }

    def _situation(self) -> Situation:
        """What is known of the run so far; after the first looks it hardly changes."""
        known, first = self._latest and self._latest[1], self._tally.first
        now = self._width, self._terms, self.beside, self.equation, self._adaptive
        if known and (known.width, known.terms, known.residual_beside, known.equation, known.adaptive) == now:
            return known
        *lengths, bound = self._seen or (*self._fixed.lengths, math.nan)
        return replace(
            self._fixed,
            lengths=tuple(lengths),
            bound=bound,
            width=self._width,
            first_error=first.get("error", math.nan),
            first_constant_share=first.get("constant_share", math.nan),
            first_rank_share=first.get("rank_share", math.nan),
            residual_beside=self.beside,
            equation=self.equation,
            adaptive=self._adaptive,
            terms=self._terms,
        )

    def diagnosis(self) -> Diagnosis | None:
        """Everything there is to say of the latest look; None: there was none."""
        return None if self._latest is None else conclude(*self._latest, self.course)

    def fixed(self) -> dict[str, Any]:
        """The situation."""
        return self._situation().as_arrays() if self._tally.first else {}

    def state_dict(self) -> dict[str, Any]:
        """The tally, and what was said."""
        if not self._tally.first:
            return {}
        course = self.course.as_numbers()
        heard = [*self._seen, self._width, float(self._terms)]
        kept = {"tally": self._tally.state_dict(), "course": course, "heard": heard}
        known = {"equation": self.equation, "adaptive": self._adaptive}
        return {**kept, **{name: fact for name, fact in known.items() if fact is not None}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back; an empty state begins anew."""
        self._forget()
        if state:
            self._tally.load_state_dict(state["tally"])
            self.course = Course.of_numbers(state["course"])
            *seen, self._width, terms = (float(value) for value in state["heard"])
            self._seen, self._terms = tuple(seen), int(terms)
            self.equation, self._adaptive = state.get("equation"), state.get("adaptive")

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """How far each place had got at each look, and the situation."""
        return {
            "facts": ("f", "facts"),
            "frequencies": ("f", "axes"),
            "lengths": ("f", "axes"),
            "clipped": ("f", "looks parts"),
        }

    @classmethod
    def read(cls, stored: Stored) -> StallRecord | None:
        """What was said at each look."""
        if "facts" not in stored.arrays:
            return None
        codes = stored.scalar("stall/verdict")
        words = [Verdict.of_code(code).value if math.isfinite(code) else "" for code in codes]
        return StallRecord(
            verdict=np.array(words, dtype=np.str_),
            **{name: stored.scalar(f"stall/{name}") for name in ("stalled", "since", "doublings", *_FORECAST)},
            signs=Signs.of(
                {name: stored.scalar(f"stall/{name}") for name in NUMBERS},
                stored.steps.astype(np.float64),
                stored.arrays["clipped"],
                {face: stored.scalar(f"front/depth/{face}") for face in stored.faces},
            ),
            situation=Situation.of_arrays(stored.arrays, stored.axes),
            remembered={name: stored.scalar(column.removeprefix("kept/")) for name, column in _COURSE.items()},
        )

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """What was said last."""
        seen = run.stall
        if seen is None or not len(seen.verdict) or not seen.verdict[-1]:
            return []
        verdict, since = Verdict(str(seen.verdict[-1])), seen.since[-1]
        word = f"{verdict.value} since step {since:,.0f}" if math.isfinite(since) else verdict.value
        tells = verdict not in (Verdict.UNDECIDED, Verdict.FITTED)  # what is fitted, others say
        facts = [Fact("verdict", word, word if tells else "", headline=True)]
        coming = Forecast(
            *(float(values[-1]) for values in (seen.forecast_step, seen.forecast_low, seen.forecast_high))
        )
        if not math.isnan(coming.step):
            said = words.coming(coming, int(seen.signs.step[-1]))
            facts.append(Fact("forecast", said, said, headline=True))
        advice = advise(verdict, seen.situation, seen.signs, len(seen.signs) - 1)
        return facts + [Fact("to do", each.do) for each in advice[:1]]

    @classmethod
    def figures(cls, run: Run) -> Mapping[str, Callable[[Run], Any]]:
        """None of its own."""
        return {}
