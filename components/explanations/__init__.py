"""What an answer rests on: one implementation for endpoint, report and metric."""
