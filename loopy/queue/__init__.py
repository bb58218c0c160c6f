"""The queue: Celery app factory, the embedded broker, the doorbell and the broker probe; a message only wakes a worker."""
