"""What each section of ``charter.yaml`` may say: one module a group of keys, each refused with one line when wrong."""
