"""The landing store: its tables, the rows that events become, the loader and its destinations.

It may import warehouse (a lake is both), ledger and the ground modules.
"""
