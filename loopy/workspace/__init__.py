"""Mirrors of repositories, a disposable clone per run, and immutable snapshots of what an agent did there."""
