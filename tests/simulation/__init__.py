"""Deterministic simulation: the engine's own code, many virtual workers, one seed."""
