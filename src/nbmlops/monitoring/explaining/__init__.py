"""Why a model says what it says: reasons of an answer, and how the model answers as a whole."""
