"""Judging: from a reading to a level, and from levels to warnings that begin and end.

In: a rule, a reading, the memory of what was. Out: an outcome with its reason, the next memory.
"""
