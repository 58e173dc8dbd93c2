"""Metrics: the one line in which a campaign says what is looked at.

In: text, or a metric. Out: the metric, or its text; what it reaches back to; exact quotients.
"""
