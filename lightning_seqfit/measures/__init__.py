"""What is measured: pure functions of numpy arrays over a :class:`~lightning_seqfit.geometry.Geometry`."""
