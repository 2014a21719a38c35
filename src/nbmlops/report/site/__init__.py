"""The project as a static folder of pages: an index, lists, a light page per run, and reports where they are kept."""
