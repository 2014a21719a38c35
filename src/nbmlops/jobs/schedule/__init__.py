"""Jobs under git: when they fire, what becomes of each fire, what follows a run."""
