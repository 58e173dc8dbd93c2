"""The words: values that cross a wire, a disk or a screen, and how they are read and written.

In: bytes, text, environment. Out: frozen values, or a refusal that says what is wrong. Imports no
other room of the house.
"""
