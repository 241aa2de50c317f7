"""The flow: ledger → worklist → fetch → load → build → publish, and what readers use."""
