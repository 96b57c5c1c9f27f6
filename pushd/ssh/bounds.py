"""How many connections there may be; `kit/crowd.py` says which one goes when there is one too many."""

from __future__ import annotations

LOGIN_SECONDS = 30.0  # from the first byte to a login
UNKNOWN_AT_MOST = 100  # connections without a login
UNKNOWN_PER_SOURCE = 10
KEYS_TRIED = 20  # in one connection: an agent may hold many
CONNECTIONS_PER_USER = 50
SESSIONS_PER_CONNECTION = 10
KEEP_ALIVE_SECONDS, UNANSWERED = 30.0, 4  # who does not answer so often is gone
