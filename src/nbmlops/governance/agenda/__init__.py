"""What a review decides: verdicts on the questions of the business, continue, pivot or stop, and what is overdue."""
