"""Policies: plays are read, matched with hosts and resolved into one intent for each router.

- :mod:`compiler.policy.plays`: files into plays, checked against the schema
- :mod:`compiler.policy.resolve`: plays and one device into an intent
- :mod:`compiler.policy.entry`: one protocol's entry in a play, rendered and checked
- :mod:`compiler.policy.conflicts`: protocols that share a flow and disagree
- :mod:`compiler.policy.lint`: what is allowed but deserves a word
"""
