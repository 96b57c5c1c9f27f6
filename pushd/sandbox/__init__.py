"""One way to confine a process: builds and dynos share it.

In: a `View`, what a program may see and take. Out: a `Confined`, the argv to put before the program and all it needs to
start. Who calls: the builder, through `Sandbox.run`; the runner's local scheduler, through `Sandbox.confine`.

What holds on this machine is tried once, by `Sandbox.probe`, and told by `Sandbox.protections`.
"""
