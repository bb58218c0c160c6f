"""Bad input and bad luck, one test a case: a clear verdict or error, nothing hung, nothing lost, memory bounded."""
