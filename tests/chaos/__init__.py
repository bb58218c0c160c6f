"""Crash harness: real processes over the real store, killed at every named line."""
