"""Where Lightning's hooks become looks, and looks reach monitors, loggers and files."""
