"""The plan: what is to be sent and when, fixed before anything is sent. Pure.

In: a shape, a seed, a campaign's labels. Out: messages with the time they are due.
"""
