"""Kinds of events: what each carries, what is counted of it, along which dimensions.

In: nothing. Out: the event types and the one list of measures that decoder, counting, store and
page go by.
"""
