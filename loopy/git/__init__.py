"""The only git runner: a pinned environment, private git dirs made by hand, and parsers of git's NUL-separated output."""
