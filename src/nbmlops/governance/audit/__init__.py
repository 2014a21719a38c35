"""The audit log: what happened in words, whether it is whole, its head held elsewhere, an export of it."""
