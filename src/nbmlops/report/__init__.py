"""A report as data, then as one HTML file; and the charts every view shares."""
