"""Formation -> dynos: boots them, watches them, brings them back, stops them.

In: a `Launch` (one epoch of an app). Out: running dynos, their targets told to the router (`Traffic`), their output in the
app's log (`LogPipes`). Who calls: `deploy.py`, the release phase, and the daemon at its start and its end.
"""
