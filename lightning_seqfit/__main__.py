"""``python -m lightning_seqfit``: the command line, as ``seqfit``."""

from lightning_seqfit.cli import main

if __name__ == "__main__":
    main()
