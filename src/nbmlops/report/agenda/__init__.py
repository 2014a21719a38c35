"""The agenda of a review: what changed since the last one, what is open, and what there is to decide."""
