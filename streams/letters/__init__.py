"""Dead letters: listed, replayed so that each counts once, and records passed over by hand.

In: topic `dead_letters`, the log. Out: lists for people, records sent again.
"""
