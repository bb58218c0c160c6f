"""The command line: `loopy`, each command in its own module, loaded when it is called."""
