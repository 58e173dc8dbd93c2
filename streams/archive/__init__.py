"""Archive: the newest pulse of each second and source goes into the store, in blocks.

In: pulses, late rows, letters, transitions. Out: rows; offsets are committed after them.
"""
