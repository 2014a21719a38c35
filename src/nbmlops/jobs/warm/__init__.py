"""Warm kernels: forked from a process that has the notebook's imports loaded."""
