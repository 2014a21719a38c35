"""One module per neighbour."""
