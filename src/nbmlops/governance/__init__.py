"""What people agreed, what a model must show, and who moved it where."""
