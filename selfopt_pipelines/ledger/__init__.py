"""The ledger: Postgres, the single source of truth."""
