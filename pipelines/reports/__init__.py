"""What people read of the published file: tables in four formats, the page, the dictionary.

It may import health, the rooms below it, and the warehouse; nothing here writes a store.
"""
