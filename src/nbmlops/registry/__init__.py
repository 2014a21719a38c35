"""Evaluations, model versions, signatures, safe files."""
