"""Predictions made, outcomes that came back, and how well they fit."""
