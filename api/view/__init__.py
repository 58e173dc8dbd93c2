"""The view: what is shown, made of what is known. Pure.

In: boards, the campaign, time as an argument. Out: the values that page and programs read.
"""
