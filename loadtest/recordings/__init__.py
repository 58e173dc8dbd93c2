"""Recordings: real files into events, by a mapping that is data and never code.

In: files and their mapping. Out: events in order of time; refused rows with their reason.
"""
