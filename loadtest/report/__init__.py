"""Reports of a run: lines, JSON, and one HTML file that needs nothing else. Pure.

In: a result. Out: text.
"""
