"""Registries, by their HTTP API. ``images`` is the port."""
