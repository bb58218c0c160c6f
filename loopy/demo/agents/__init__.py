"""Scripted agents: stand-ins for a coding-agent CLI, each saying so in its first line; real processes, real edits."""
