"""Settings: the operator's word, from the environment and the home's `loopy.toml`, as one frozen value."""
