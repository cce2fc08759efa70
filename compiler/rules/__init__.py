"""Router families with a list of firewall rules of which the first that matches decides.

- :mod:`compiler.rules.clauses`: an intent as an ordered list of clauses, one rule each
- :mod:`compiler.rules.match`: "yes", "no" or "cannot be told", for walking rules
- :mod:`compiler.rules.names`: names and comments that cannot break out of anything
- :mod:`compiler.rules.block`: our lines inside a text of somebody else's
"""
