"""The whole crash harness: real workers, guards, agents and brokers, harmed by seed, and a referee outside their reach."""
