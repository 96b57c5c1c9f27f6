"""Nouns and rules without I/O: frozen values, state tables, parsers of text.

Every other room speaks in these words. Nothing in here touches a loop, a clock, a disk or a socket.
"""
