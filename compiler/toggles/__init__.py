"""Router families whose settings are a few switches: each family is data, one room solves all.

- :mod:`compiler.toggles.family`: what a switch is, what each of its values does, by which source
- :mod:`compiler.toggles.effects`: what packets experience under given values
- :mod:`compiler.toggles.solve`: the values whose effects deviate least from an intent
- :mod:`compiler.toggles.nvram`, :mod:`compiler.toggles.document`: the two native forms
- :mod:`compiler.toggles.target`: the whole target contract, from the data alone
"""
