"""Sending: producers that keep the plan's times and own up to each miss.

In: the plan. Out: records on the source topics, and the producers' ledgers.
"""
