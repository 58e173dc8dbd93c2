"""The door: which connections and requests are let in, and for how long.

In: connections. Out: the same, within limits of number, time and name.
"""
