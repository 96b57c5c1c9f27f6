"""SSH in: a push, a clone, or one of the client's own commands; there is nothing else to have.

Comes in:   connections of people whose public key is kept (`keys:add`), each with any number of sessions.
Goes out:   git's two services to the receiver; a command's words to the client program, confined, on the person's terminal.
Called by:  `daemon.py`, which hands over the listening socket.

`server.py` tells what becomes of a connection; `command.py` decides what a session asks for, `bounds.py` who may come in.
"""

import ctypes.util

# asyncssh looks for libraries that it can do without (liboqs, nettle) when it is imported, by starting compilers and linkers,
# which want a temporary file: that would keep a daemon from its start on a full disk, and it takes time. So it finds none.
_find_library = ctypes.util.find_library
ctypes.util.find_library = lambda name: None
try:
    import asyncssh as asyncssh
finally:
    ctypes.util.find_library = _find_library
