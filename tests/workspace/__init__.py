"""Tests of mirrors, clones and snapshots."""
