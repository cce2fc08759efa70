"""The words of the program: frozen, typed data without I/O.

Import from the modules; this package re-exports nothing, so that one name has one home.

- :mod:`compiler.model.protocol`: ``Protocol``, ``Flow``, ``Signature``, ``Helper``
- :mod:`compiler.model.device`: ``Device``, ``Zone``
- :mod:`compiler.model.intent`: ``Intent``, ``Decision``, ``Limits``, ``Exposure``
- :mod:`compiler.model.effect`: ``Probe``, ``Effect``, ``HelperState``
- :mod:`compiler.model.judge`: which probes decide, what an intent wants, what deviates
- :mod:`compiler.model.finding`: ``Finding``, ``Place``, ``Severity``, ``Code``
- :mod:`compiler.model.target`: the contract of a router family
"""
