"""What beat fires: the backstop of every worker's own sweep; schedules of tickets are rows, not entries here."""

from __future__ import annotations

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "recover": {"task": "loopy.recover", "schedule": 15.0, "options": {"expires": 15.0, "queue": "control"}},
}
