"""Durable work on DBOS Transact. ``engine`` runs it, ``queue`` is the port."""
