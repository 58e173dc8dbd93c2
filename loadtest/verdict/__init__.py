"""The verdict: PASS, FAIL, or INVALID when a run says nothing about the system. Pure.

In: a result and what was expected of it. Out: the verdict with its reasons.
"""
