"""Whether a fit gets on, what stops it, when it will be done, and what to change: pure functions of a record."""

from lightning_seqfit.diagnosis.diagnosis import Advice, Diagnosis, Evidence, Forecast
from lightning_seqfit.diagnosis.procedure import Course, judge
from lightning_seqfit.diagnosis.reading import conclude, diagnose
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.tally import Tally
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict

__all__ = [
    "STALLED",
    "Advice",
    "Course",
    "Diagnosis",
    "Evidence",
    "Forecast",
    "Signs",
    "Situation",
    "Tally",
    "Verdict",
    "conclude",
    "diagnose",
    "judge",
]
