"""What a cell did: names read and written, data, estimators, metrics, environment, secrets."""
