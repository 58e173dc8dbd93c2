"""Counting: from batches to sums by second of event time. Pure, and compiled where it is hot.

In: batches, the cumulative watermark. Out: windows of sums, late rows, letters, sketches.
"""
