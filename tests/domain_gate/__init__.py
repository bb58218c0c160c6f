"""Tests of policy and gate."""
