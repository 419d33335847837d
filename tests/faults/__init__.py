"""The fault suite: ``python -m tests.faults``. Real processes, killed for real; judged from outside."""
