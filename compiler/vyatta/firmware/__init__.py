"""What the firmware of a Vyatta router makes of a config: rules for a kernel, written anew.

Written from the firmwares' own sources (the targets' README.md name them), and apart from
:mod:`compiler.vyatta.effects`, so that a kernel with these rules can hold the effects to the truth.

- :mod:`compiler.vyatta.firmware.words`: a rule of the config, word by word
- :mod:`compiler.vyatta.firmware.nat`: NAT rules, as each system writes them down
- :mod:`compiler.vyatta.firmware.rulesets`: iptables, for rulesets on interfaces
- :mod:`compiler.vyatta.firmware.chains`: nftables, for a forward filter with chains
- :mod:`compiler.vyatta.firmware.usual`: what a router's config has besides our paths
- :mod:`compiler.vyatta.firmware.path`: all of it as a data path for a proof

A word that is not read here has no model (T406): nothing is guessed, nothing passed over.
"""
