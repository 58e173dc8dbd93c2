"""Backtest: a rule over series of values, judged as the live judge would have.

In: files of values with labels. Out: levels, scores beside those of other detectors, reports.
"""
