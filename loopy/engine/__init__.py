"""The engine: order of steps, claim-perform-finish, admission, sweep, endings; pure over the ports and the graph."""
