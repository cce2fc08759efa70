#!/bin/sh
cat <<'JSON'
{"_meta": {"hostvars": {"s1": {"a": 1, "list": [1, 2]}, "ghost": {"never": "listed"}}},
 "web": {"hosts": ["s1", "s2"], "vars": {"w": true, "ansible_group_priority": 3}, "children": ["sub"]},
 "sub": ["s3"],
 "single": {"x": "short form"},
 "ungrouped": {"hosts": ["s4"]},
 "all": {"children": ["web", "ungrouped"]}}
JSON
echo "noise on standard error" >&2
