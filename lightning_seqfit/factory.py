"""Attach to a script that was not touched: ``SEQFIT=probe.yaml python train.py``.

Lightning calls :func:`callbacks` through its entry points ``lightning.pytorch.callbacks_factory`` and
``pytorch_lightning.callbacks_factory`` whenever a Trainer is made. Nothing is imported here before the variable is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: The environment variable that names the YAML file.
VARIABLE = "SEQFIT"

_said: set[str] = set()


def callbacks() -> list[Any]:
    """Return the callback that the file in ``SEQFIT`` describes, in a list; an empty one without the variable.

    The file holds what stands under ``init_args`` of ``SequentialFitting`` in a ``LightningCLI`` configuration:
    ``probe``, and ``every_n_steps``, ``tolerance``, ``layer``, ``stop_on`` and ``report`` where they are not the
    default. The probe alone, its bare arguments, and the ``class_path`` of another callback of this package do as well.

    Never raises. A file that cannot be used is said in one warning, and the script trains on. So is a probe that does
    not suit the module.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "probe.yaml"
    >>> _ = file.write_text("probe: {bounds: [[0.0, 1.0]], target: lightning_seqfit.demos.sine}")
    >>> os.environ["SEQFIT"] = str(file)
    >>> [callback.state_key for callback in callbacks()]
    ['seqfit.SequentialFitting[probe]']
    >>> del os.environ["SEQFIT"]
    >>> callbacks()
    []
    """
    path = os.environ.get(VARIABLE, "")
    if not path:
        return []
    try:
        return [_attached(Path(path).expanduser())]
    except (Exception, SystemExit) as error:  # a module that the file names may do anything
        _say(f"{VARIABLE}={path} attaches nothing, the training goes on without: {type(error).__name__}: {error}")
        return []


def _attached(path: Path) -> Any:
    """Make the callback that a file describes, one that stands aside for the script."""
    import yaml  # type: ignore[import-untyped]
    from jsonargparse import ArgumentParser

    from lightning_seqfit import callbacks as ours

    if not path.is_file():
        raise FileNotFoundError(f"there is no such file, seen from {Path.cwd()}: give the path of a YAML file")
    kind, arguments = _described(yaml.safe_load(path.read_text(encoding="utf-8")), ours.__all__)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(getattr(ours, kind), "callback")
    with _script_by_name():
        callback = parser.instantiate(parser.parse_object({"callback": arguments})).callback
    callback.from_outside = True
    return callback


def _described(content: Any, kinds: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a callback, from whichever way the file says it."""
    if not isinstance(content, dict):
        raise TypeError(f"it holds {type(content).__name__}, not a mapping: give the probe, as {_EXAMPLE}")
    kind = str(content.get("class_path", "")).rpartition(".")[2]
    if kind in kinds:
        arguments = dict(content.get("init_args", {}))
    else:
        kind = "SequentialFitting"
        arguments = dict(content if "probe" in content else {"probe": content})
    probe = arguments.get("probe")
    if isinstance(probe, dict) and "class_path" not in probe:
        maker = "points" if "points" in probe else "grid"
        arguments["probe"] = {"class_path": f"lightning_seqfit.Probe.{maker}", "init_args": probe}
    return kind, arguments


_EXAMPLE = "probe: {bounds: [[0.0, 1.0]], target: my_module.my_function}"


@contextmanager
def _script_by_name() -> Iterator[None]:
    """Let a dotted path name a function of the script that runs: to import it by name would run it once more."""
    script = sys.modules["__main__"]
    name = Path(getattr(script, "__file__", None) or "").stem
    if not name or name in sys.modules:
        yield
        return
    sys.modules[name] = script
    try:
        yield
    finally:
        del sys.modules[name]


def _say(message: str) -> None:
    """Warn once in a process, and on one of several processes."""
    from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

    from lightning_seqfit.words import warn

    if message not in _said and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        _said.add(message)
        warn(message)
