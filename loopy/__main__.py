"""`python -m loopy` is `loopy`."""

from __future__ import annotations

from loopy.cli.main import main

if __name__ == "__main__":
    main()
