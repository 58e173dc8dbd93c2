"""History: what the store knows, asked within limits, beside the live stream.

In: parameters of a request. Out: an answer in JSON, or a refusal with its cure.
"""
