"""Prometheus: the campaign's rules once more, for Prometheus and Alertmanager.

In: a campaign. Out: texts of rule files, of their unit tests, of routes and of the ladder table.
"""
