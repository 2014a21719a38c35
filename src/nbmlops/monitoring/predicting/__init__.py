"""A prediction: checked, made, recorded in blocks, kept for so long, and given back."""
