"""Tells others over HTTP what happens to apps.

In: deliveries that are due, as the store keeps them. Out: signed POSTs to the URLs that users named, and how each went.
Who calls: `daemon.py` starts the `Courier`; nobody waits for it.
"""
