"""Reference against current: profile, decision, report."""
