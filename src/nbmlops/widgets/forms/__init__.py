"""Forms of magics typed without arguments: data first, then one live view and one that needs nothing live."""
