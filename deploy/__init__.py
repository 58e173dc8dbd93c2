"""The ground: what starts the house, and what it is deployed with.

`cli` is the composition root: it imports every room, and no room imports it.
"""
