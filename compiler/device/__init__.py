"""One router: how it is reached, and the transaction that changes it or leaves it as it was.

Reading order: :mod:`~compiler.device.job` (what goes in and comes out), ``reach`` (variables to a
way), ``hostkeys``, ``noshell`` and ``session`` (a connection), ``shell`` (scripts on it),
``script`` (what is sent), ``plan`` (what differs), ``outcome`` (how far a push is),
``transaction`` (the steps of one push), ``push`` (what may be asked of a router).
``transports`` says which of them a target's procedure asks for; ``http`` is for routers that only
have a web interface.
"""
