"""`pushd drill`: a scratch daemon is killed at every step of every act; out comes what held, a line for each.

`command.py` is what the user calls. `walk.py` goes through the cases: an act (`deploys.py`, `changes.py`, `apps.py`,
`starts.py`) and the point of the daemon's code at which it is cut short. `stage.py` is where that happens, `tidy.py` knows what
may lie about afterwards. The tests walk the same cases.
"""
