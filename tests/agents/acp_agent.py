"""A coding agent that speaks the Agent Client Protocol and does what its first argument says, well or badly; no library."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.agents.acp_server import main

    main()
