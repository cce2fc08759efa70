"""Router families whose settings are a few switches: each family is data, one room solves all.

- :mod:`compiler.toggles.family`: what a switch is, what each of its values does, by which source
- :mod:`compiler.toggles.effects`: what packets experience under given values
- :mod:`compiler.toggles.solve`: the values whose effects deviate least from an intent
- :mod:`compiler.toggles.nvram`, :mod:`compiler.toggles.document`, :mod:`compiler.toggles.byhand`:
  the native forms
- :mod:`compiler.toggles.scripted`: switches and a firewall script beside them (``scripttext``: as
  one native text)
- :mod:`compiler.toggles.firmware`: the rules that firmware would write, to be held against a kernel
- :mod:`compiler.toggles.target`: the whole target contract, from the data alone
"""
