"""Sandboxes: how a command is boxed in, and saying aloud when it is not."""
