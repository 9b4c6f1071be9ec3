"""The same training once more, from outside, with one change each."""
