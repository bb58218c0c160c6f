"""Everything that acts outside runs here: one guard process per command, bounded pipes, and no survivors."""
