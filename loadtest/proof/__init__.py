"""Proof: the books of every hop of a run, and whether they agree. Pure.

In: ledgers, census, books. Out: what was lost, doubled or changed, to the event and to the fen.
"""
