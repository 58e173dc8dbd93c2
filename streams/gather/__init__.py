"""Gather: source partitions become pulses, late rows, dead letters and positions.

In: fetches of its partitions, the last position of each. Out: what it publishes at each tick.
"""
