"""What routers do, held against what the policy wants; and, without a policy, whether it is sane.

Reading order: ``finding`` (what an audit says), ``redact`` (what may be shown), ``experience``
(what packets experience on a router), ``judge`` (one router against its policy), ``health`` (one
without), ``answers`` (saved answers), ``run`` (many routers, one at a time), ``kept`` and ``store``
(what the journal keeps), ``compare`` (two audits), ``reports`` (what people and CI read),
``importing`` (a config as a policy).
"""
