"""How long the guards of this process live without a word from it: a worker sets it to what its lease leaves.

It is the process's, not the command's: a guard that somebody forgot to tell would act on after the run has gone to
another worker.
"""

from __future__ import annotations

DEFAULT_S = 24.0  # of a process that holds no lease, such as `loopy verify --rerun`
LOOK_PART, LONGEST_LOOK_S = 0.25, 1.0  # a guard looks four times within its silence, at least once a second
GRACE_PART, LONGEST_GRACE_S = 0.25, 2.0  # what it then gives the command to end by itself

_set = [DEFAULT_S]


def silence_s() -> float:
    """Return the silence after which a guard of this process ends its command."""
    return _set[0]


def set_silence(seconds: float) -> None:
    """Have the guards that start from now on bear so much silence and no more."""
    _set[0] = seconds


def over_s(silence: float) -> float:
    """Return how long after the last word all of the command has got SIGKILL, at the latest."""
    return silence + min(LONGEST_LOOK_S, silence * LOOK_PART) + min(LONGEST_GRACE_S, silence * GRACE_PART)
