"""Judge: pulses of all partitions become boards and transitions.

In: pulses, sketches, the campaign. Out: one board a tick, and each change of a level once.
"""
