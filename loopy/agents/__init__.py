"""Agents: the catalogue of CLIs as data, and the driver that runs one of them for one turn."""
