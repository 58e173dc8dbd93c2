"""The store: ClickHouse, as a server or in this process, behind one small port.

In: SQL and rows. Out: rows, or a named fault with its cure. `port` is the door.
"""
