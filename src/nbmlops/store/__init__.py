"""The only code that knows SQL, files or object storage: journal, tables, artifacts, events.

``nbmlops.store.journal`` and ``nbmlops.store.artifacts`` load no SQLAlchemy, so that a tracked cell does not
either; everything else of this package is imported where it is used.
"""
