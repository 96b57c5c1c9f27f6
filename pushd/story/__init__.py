"""What follows a push or a change, across all rooms: release, boot, switch, retire; and what concerns an app as a whole.

In: an app, and what its user wants of it. Out: dynos that run it, or the reason why not. Who calls: `deploy.py`, which tells
the story of a push with these parts, and the API. Each room is a Protocol in `rooms.py`; `assembly.py` passes the real ones in.
"""
