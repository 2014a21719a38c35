"""Notebooks as jobs: execute one as a run, through papermill's front door with an engine of our own."""
