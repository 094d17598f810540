"""Rows, plans and records as durable files, and which rows count."""

from orchestrator.store.store import Store, open_store

__all__ = ["Store", "open_store"]
