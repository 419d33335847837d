"""GitHub's REST API, by PyGithub. ``forge`` is the port; the rest translates."""
