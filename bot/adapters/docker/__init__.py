"""The Docker engine. ``engine`` is the port."""
