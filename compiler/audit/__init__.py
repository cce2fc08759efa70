"""What routers do, held against what the policy wants; and, without a policy, whether it is sane.

Reading order: ``finding`` (what an audit says), ``judge`` (one router against its policy),
``health`` (one without), ``redact`` (what may be shown), ``answers`` (saved answers), ``run`` (many
routers, one at a time), ``store`` (what the journal keeps), ``reports`` (what people and CI read),
``importing`` (a config as a policy).
"""
