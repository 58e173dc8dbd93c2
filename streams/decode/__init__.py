"""Decoding: from the bytes of source messages to columns of events.

In: messages in JSON, NDJSON, JSON arrays or Arrow frames. Out: batches and refusals, each with its
reason.
"""
