"""Loopy: a local-first agent operating system; tickets in, verified work and a signed receipt out."""

__version__ = "0.1.0"
