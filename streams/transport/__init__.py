"""Transport: how Faust, and we beside it, speak with Kafka.

In: topics and offsets. Out: whole fetches to agents; what the broker knows of topics and groups.
"""
