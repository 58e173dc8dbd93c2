"""The wire: the messages of our own topics, their names, keys and forms.

In: values or bytes. Out: bytes or values. What lies here only grows: the bytes of the last release
are read by tests.
"""
