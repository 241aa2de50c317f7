"""Known ids: track, untrack, list; and balances noted by hand.

It may import landing, warehouse and ledger.
"""
