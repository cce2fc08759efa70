"""The words of the program: frozen, typed data without I/O.

Import from the modules; this package re-exports nothing, so that one name has one home.

- :mod:`compiler.model.protocol`: ``Protocol``, ``Flow``, ``Signature``, ``Helper``
- :mod:`compiler.model.device`: ``Device``, ``Zone``
- :mod:`compiler.model.intent`: ``Intent``, ``Decision``, ``Limits``, ``Exposure``
- :mod:`compiler.model.effect`: ``Probe``, ``Effect``, ``HelperState``
- :mod:`compiler.model.judge`: which probes decide, what an intent wants, what deviates
- :mod:`compiler.model.finding`: ``Finding``, ``Place``, ``Severity``, ``Code``
- :mod:`compiler.model.target`: the contract of a router family
- :mod:`compiler.model.step`, :mod:`compiler.model.console`: the steps of a push, and those of a
  router without a shell
- :mod:`compiler.model.survey`, :mod:`compiler.model.datapath`: what a family may offer besides: to
  read what others wrote, and to be proven
- :mod:`compiler.model.modules`, :mod:`compiler.model.example`: a kernel as facts state it, and
  typical routers
"""
