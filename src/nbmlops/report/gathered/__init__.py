"""Facts around a run: what was agreed, what it costs, what watches it; each as plain JSON for its report."""
