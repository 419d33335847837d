"""One file a step: look whether the effect is there already, then do. A step may be run again at any time."""
