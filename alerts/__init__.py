"""Judgement: what readings mean, and what follows from it for people and for Prometheus.

In: campaigns, readings, time as an argument. Out: decisions with name and reason, and generated
files.
"""
