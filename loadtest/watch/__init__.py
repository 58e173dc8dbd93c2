"""Watching a run from outside: what was sent, counted, stored and shown, twice a second.

In: the live stream and the APIs. Out: samples, and what a person sees of them.
"""
