"""Audit: the books of the log against the store's.

In: the log, the store. Out: books that close, or say where and by how much they do not.
"""
