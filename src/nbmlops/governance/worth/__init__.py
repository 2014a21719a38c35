"""What a project is worth: estimated before any model, judged by an evaluation, and realised."""
