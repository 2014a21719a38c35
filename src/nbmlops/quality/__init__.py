"""Look at data; propose and check rules."""
