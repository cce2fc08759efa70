"""The laws of a router family, as one suite that any target can be put through.

In a checkout of passthru, ``pytest tests/conformance`` runs it for every installed target. From
outside, with passthru, pytest and hypothesis installed::

    python -m passthru_conformance --target acme
    python -m passthru_conformance --target acme --cases acme_target.cases:CASES

A *case* (:mod:`passthru_conformance.cases`) is a kind of router: facts, options, and texts that
such a router may hold already. A target without cases of its own is tried on a plain router
without facts. More examples: ``--examples 500``. Everything else goes to pytest.
"""
