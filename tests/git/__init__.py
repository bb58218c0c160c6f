"""Tests of the git runner."""
