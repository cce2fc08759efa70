"""Many routers: waves, executors, the journal, plan files, and the way back.

Reading order: ``waves`` (who when), ``work`` (what runs where a job runs), ``journal`` (what is
kept), ``run`` (what ties them), then ``plan`` and ``rollback``, which are jobs from a file and from
the past. The fleet knows nothing of routers: what pushes is a
:class:`~compiler.fleet.work.Driver`.
"""
