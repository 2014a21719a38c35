"""What people doubt, ask or correct: flags, who answers them, what they hold up, and what models learn from them."""

from nbmlops.governance.flags.unsettled import blocking, open_flags

__all__ = ["blocking", "open_flags"]
