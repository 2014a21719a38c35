"""The model as a service: the same checks, ids and records as in a notebook, over HTTP."""
