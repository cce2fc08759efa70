"""A digital twin: a router's own rules in a lab, where packets decide what nobody can read.

Reading order: :mod:`~compiler.prove.twin.safe` (which texts are loaded at all), ``load``,
``trials`` (what is sent), ``twin``.
"""

from compiler.prove.twin.twin import Told, ask

__all__ = ["Told", "ask"]
