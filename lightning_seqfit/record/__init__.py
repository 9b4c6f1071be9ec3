"""The record of a probe: bounded in memory, kept in the checkpoint and in a file, read back with :func:`load`.

The file is an ``.npz`` without pickled objects. Fields are in it on at most 1,024 cells a look (4,096 of a probe
without a target), those of the last look on up to 16,384.
"""

from lightning_seqfit.diagnostics.basis import BasisRecord
from lightning_seqfit.diagnostics.front import FrontRecord
from lightning_seqfit.diagnostics.oscillations import OscillationsRecord
from lightning_seqfit.diagnostics.spectrum import SpectrumRecord
from lightning_seqfit.record.architecture import Architecture
from lightning_seqfit.record.file import broken_links, convert, find, find_all, find_below, load, write
from lightning_seqfit.record.history import MOST_LOOKS, Record
from lightning_seqfit.record.run import FILE_VERSION, Run, Scalars, as_run, contents
from lightning_seqfit.record.summary import Summary

__all__ = [
    "FILE_VERSION",
    "MOST_LOOKS",
    "Architecture",
    "BasisRecord",
    "FrontRecord",
    "OscillationsRecord",
    "Record",
    "Run",
    "Scalars",
    "SpectrumRecord",
    "Summary",
    "as_run",
    "broken_links",
    "contents",
    "convert",
    "find",
    "find_all",
    "find_below",
    "load",
    "write",
]
