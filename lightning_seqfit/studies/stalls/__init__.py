"""``seqfit stalls``: trainings of known state, what is said of them, and whether the first advice helps."""
