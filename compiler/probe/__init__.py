"""The exchanges between two real machines, to learn what the router between them really passes.

``passthru probe serve`` runs on a machine outside, ``passthru probe run HOST`` behind the router.
A control session comes first: both ends prove that they know a shared token, and what both derive
from it decides every byte of the exchanges. So the server has nothing to parse: it compares what
comes with what must come, and says nothing to anybody else. It never sends more than it was sent.
"""
