"""Start, log, finish, query and compare runs."""
