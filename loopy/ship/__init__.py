"""Work leaves: pushes to a repository, done under guard, looked up before and after."""
