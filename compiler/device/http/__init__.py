"""Routers that only have a web interface: one push over HTTP, through a host that speaks SSH.

Reading order: :mod:`~compiler.device.http.way` (variables to a way), ``certificates``, ``line`` and
``client`` (one request), ``document`` (what a bundle wants to be sent), ``login`` and beside it
``luci``, ``cgi`` (with ``cgiseal`` and ``textbook``), ``omada``, ``jnap``, ``hnap`` (how such
interfaces let one in), ``visit`` (from the log-in to the log-out), ``whole`` (the object),
``lease``, ``transaction``.
"""
