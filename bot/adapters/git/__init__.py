"""Git, by its own command line: reading, writing and source repos. See ``command`` for how it is called."""
