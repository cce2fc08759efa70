"""Example sites: the README, ``passthru demo`` and the tests use them. Data only."""
