"""The campaign file: what is watched, against which targets, by which rules.

In: TOML text. Out: one frozen Campaign, or every problem with its key path. `campaign` is the
door; the other modules read one part each.
"""
