"""What the engine costs, in ratios to a bare Celery chain that keeps nothing; run by `make bench`."""
