"""Metrics: the one line in which a campaign says what is looked at, and what it then reads.

In: text, or what can be seen of the events. Out: a metric, its text, its reading. Each form of a
metric is one file in `forms`; `catalogue` knows them all.
"""
