"""Studies: trainings with several seeds that are held against what was claimed of them, and the pages of both."""
