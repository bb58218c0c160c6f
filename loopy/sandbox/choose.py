"""The choice of a sandbox: what the operator asked for, or a refusal; never silently less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from loopy.domain.errors import ConfigError
from loopy.ports import Sandbox
from loopy.sandbox.none import NoSandbox

# A probe returns the sandbox when this host can run it, else None.
PROBES: Mapping[str, Callable[[], Sandbox | None]] = MappingProxyType({"none": NoSandbox})


def choose_sandbox(wanted: str) -> Sandbox:
    """Return the sandbox of that name. Raises ConfigError when it is unknown or this host cannot run it."""
    probe = PROBES.get(wanted)
    found = probe() if probe is not None else None
    if found is None:
        raise ConfigError(
            "sandbox", f"{wanted!r} is not available here", hint=f'known: {", ".join(PROBES)}; "none" boxes nothing in'
        )
    return found
