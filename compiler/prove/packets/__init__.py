"""The tier ``packets``: every exchange that a policy speaks of, through a router in the lab.

Reading order: ``plan`` (a lab for a router), ``talk`` and ``talks`` (who says what to whom, and
what is wanted of it), ``rounds`` and ``stage`` (talks are played, packet by packet), ``unasked``,
``trace`` and ``explain`` (where something was lost), ``tier`` (all of it for one router).
"""

from compiler.prove.packets.tier import prove

__all__ = ["prove"]
