"""Kubernetes API servers. ``clusters`` is the port."""
