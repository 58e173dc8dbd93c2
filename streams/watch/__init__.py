"""Watching the log itself: what its topics are set to, its ends, its newest heads.

In: what the broker says. Out: notes with their cure, partitions and their bounds.
"""
