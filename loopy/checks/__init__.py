"""Checks: the operator's commands on a clean checkout; exit codes decide, output is kept and read for names only."""
