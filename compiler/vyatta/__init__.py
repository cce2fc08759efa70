"""Routers whose config is a Vyatta tree of ``set`` commands (EdgeOS, VyOS).

- :mod:`compiler.vyatta.read`: commands and config trees into paths
- :mod:`compiler.vyatta.dialect`: how one system names things, as data
- :mod:`compiler.vyatta.settings`: our paths; what is ours
- :mod:`compiler.vyatta.tree`: a config as nested mappings
- :mod:`compiler.vyatta.text`: printing and merging
- :mod:`compiler.vyatta.solve`, :mod:`compiler.vyatta.effects`: from an intent, and to packets
- :mod:`compiler.vyatta.foreign`, :mod:`compiler.vyatta.survey`: whole configs of others
- :mod:`compiler.vyatta.firmware`: what the firmware makes of a config, for proofs
- :mod:`compiler.vyatta.target`: the whole target contract
"""
