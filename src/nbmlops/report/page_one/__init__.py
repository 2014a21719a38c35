"""Page one of a run, a module for each question on it: each returns blocks from the facts and asks nothing else."""
