"""Arrow frames: thousands of events in one message.

In: the bytes of an Arrow IPC stream. Out: its columns, within bounds on what it unpacks to.
"""
