"""Works of the ledger: carry out an attempt, here or elsewhere, once for a key or for many rows."""
