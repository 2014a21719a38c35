"""The number of the schema this code reads and writes: apart, so that it can be asked without SQLAlchemy."""

__all__ = ["SCHEMA"]

SCHEMA = 9
