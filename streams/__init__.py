"""The river: the workers between Kafka, the judge and the store.

In: source topics. Out: pulses, positions, dead letters, boards, transitions, rows in the store.
Each worker is a room with its pure core beside it.
"""
