"""What users write: YAML with positions, schema checks, templates and secrets.

- :mod:`compiler.source.yaml`: files into plain data, with the place of every value
- :mod:`compiler.source.schema`: data against the JSON Schemas of :mod:`schemas`
- :mod:`compiler.source.template`: sandboxed Jinja2 with a budget
- :mod:`compiler.source.secrets`: values that nothing shows
- :mod:`compiler.source.excerpt`: the line of a finding, for people
"""
