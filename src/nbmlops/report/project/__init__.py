"""The project as a whole: its facts, its first page, and the sections behind it."""
