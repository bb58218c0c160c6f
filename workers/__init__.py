"""The worker processes: thin Celery tasks around the engine, beat, and the sweep thread."""
