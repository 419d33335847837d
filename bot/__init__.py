"""Slipway: merge to master, and Git knows what runs where.

Data flows one way::

    GitHub ──webhook──▶ webhooks/ ──event──▶ durable queue ──▶ bot/ workflows ──▶ git · docker · registry
                        verify, parse,                         decide (pure),     cluster · GitHub
                        persist, 202                           then do (steps)

Where to look:

* ``events`` what happened, parsed from a payload; ``catalog`` which apps and environments there are.
* ``manifests``, ``approval``, ``messages``, ``audit``: pure decisions; text in, values out.
* ``workflows``: the design's table, readable top to bottom. ``steps/``: look, then do.
* ``ports``: what a step may ask of the outside. ``adapters/``: the only code that talks to it.
* ``sandbox/``: the stand-ins and the demo. ``wiring``: which adapter serves which port.

This package imports nothing but the standard library, so that ``python3 -m bot`` can set itself up.
"""

__version__ = "0.1.0"
