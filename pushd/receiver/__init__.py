"""Git in: a push becomes a checked-out commit for a deploy, and a ref that moves once traffic has.

Comes in:   git requests over HTTP (`http.py`), and what the hooks of foreign repositories hand over (`hooks.py`).
Goes out:   a `Source` to `Deploys.push`, live output to the client, objects and refs in `repos/<app>.git`.
Called by:  `daemon.py`, which registers the HTTP handlers and opens the hook socket.

`receiver.py` tells the story of one push; `policy.py` decides what may happen to which ref.
"""
