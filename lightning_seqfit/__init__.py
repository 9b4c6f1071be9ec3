"""Watch how a network fits an oscillatory target while PyTorch Lightning trains it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_seqfit.diagnosis import Diagnosis, diagnose
    from lightning_seqfit.forks import fork
    from lightning_seqfit.planning import Plan, plan
    from lightning_seqfit.probe import Observation, Probe
    from lightning_seqfit.record import Run, load
    from lightning_seqfit.trials import Trial, trial

__all__ = [
    "Diagnosis",
    "Observation",
    "Plan",
    "Probe",
    "Run",
    "Trial",
    "diagnose",
    "fork",
    "load",
    "plan",
    "trial",
]
__version__ = "0.2.0"

# Imported when first asked for: every Trainer of an environment with this package imports it, for its entry point.
_HOMES = {
    **dict.fromkeys(("Diagnosis", "diagnose"), "diagnosis"),
    **dict.fromkeys(("fork",), "forks"),
    **dict.fromkeys(("Plan", "plan"), "planning"),
    **dict.fromkeys(("Trial", "trial"), "trials"),
    **dict.fromkeys(("Observation", "Probe"), "probe"),
    **dict.fromkeys(("Run", "load"), "record"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
