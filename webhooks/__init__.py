"""The web process: takes GitHub's webhooks, stores them durably, and answers. The only Flask code beside the stand-ins.

Nothing is decided here and GitHub's API is never asked: a delivery is verified, parsed, queued, acknowledged. Its pages
show what the queue and a mirror of the config repo tell, read in the background when somebody looks.
"""
