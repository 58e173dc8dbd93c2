"""The log's port: partitions and topics of Kafka, read without a group.

In: topics and offsets. Out: records in order, by the reader in `records`; what is foreign is
passed over and counted; the broker's time.
"""
