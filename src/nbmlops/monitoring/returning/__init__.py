"""What comes back for predictions: outcomes, flags, opinions; rows to judge, and errors on their way to training."""
