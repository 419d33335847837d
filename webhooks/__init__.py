"""The web process: takes GitHub's webhooks, stores them durably, and answers. The only Flask code beside the stand-ins.

Nothing is decided here and GitHub is never asked: a delivery is verified, parsed, put into the queue, acknowledged.
"""
