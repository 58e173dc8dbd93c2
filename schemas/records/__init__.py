"""Records: what lies between the bytes of a fetch and its records. Pure.

In: record batches as Kafka keeps them, in any codec. Out: columns over those bytes, without
aborted ranges, within a bound on what they unpack to.
"""
