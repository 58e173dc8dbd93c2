"""Books of a run, asked from outside: the log read back, the live view, the api, the store."""
