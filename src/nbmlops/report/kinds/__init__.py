"""What a report can be about: how a person names it, what the store knows of it, what its page says."""
