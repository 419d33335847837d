"""Stand-ins that speak the real protocols over HTTP: GitHub, a registry, a cluster; and the demo told on them."""
