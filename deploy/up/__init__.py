"""`fenghuo up`: the whole river in one process tree, with progress, restarts and a clean stop."""
