"""What costs credits: submit, wait, export, and reconciling lost answers.

It may import ids, landing, warehouse, ledger and the ground modules.
"""
