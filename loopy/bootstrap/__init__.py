"""The composition root: settings become frozen services; the only place that chooses adapters."""
