"""A scripted model on loopback, how a CLI is pointed at it, and what must come of each scenario: no tokens, no account."""
