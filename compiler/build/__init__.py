"""From a site to bundles on disk.

- :mod:`compiler.build.registry`: targets, found through entry points
- :mod:`compiler.build.device`: a host's variables into a ``Device``
- :mod:`compiler.build.site`: inventory, plays and catalogue, loaded and matched
- :mod:`compiler.build.plan`: one host: intent, settings, bundle, effects, deviations
- :mod:`compiler.build.manifest`: what is said about a bundle beside its files
- :mod:`compiler.build.lock`: one process after the other in a folder
- :mod:`compiler.build.output`: written aside, renamed, checked, pruned
"""
