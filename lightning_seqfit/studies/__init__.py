"""Studies: trainings with several seeds that are held against claims. One so far, ``seqfit claims``."""
