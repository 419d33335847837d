"""The foreign libraries, each inside its own file: they translate errors into ``bot.errors`` and leak nothing."""
