"""Templates: native types, honest errors, and no way out of the sandbox or its budget."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import TemplateError
from compiler.model.finding import Place
from compiler.source import budget
from compiler.source.secrets import Origin, Secret, Unsafe
from compiler.source.template import Templar, is_template

PLACE = Place("policy.yml", 4, 9)
VARIABLES: dict[str, Any] = {
    "gateways": ["192.0.2.0/24", "2001:db8::/32"],
    "office": {"net": "10.0.0.0/8", "mtu": 1400},
    "chain": "{{ office.net }}",
    "me": "{{ you }}",
    "you": "{{ me }}",
    "broken": "{{ nothing }}",
    "dict": "the user's own",
    "secret": Secret(Origin.ENVIRONMENT, "TOKEN", Place("", 0)),
    "raw": Unsafe("{{ not a template }}"),
}


def _render(text: str) -> Any:
    return Templar(VARIABLES).render(text, PLACE)


def _code(text: str) -> str:
    with pytest.raises(TemplateError) as error:
        _render(text)
    (found,) = error.value.findings
    assert found.place == PLACE
    return found.code.name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ gateways }}", ["192.0.2.0/24", "2001:db8::/32"]),
        ("{{ [] }}", []),
        ("{{ 5 }}", 5),
        ("{{ none }}", None),
        ("{{ office.mtu + 1 }}", 1401),
        ("{{ gateways | map('upper') }}", ["192.0.2.0/24", "2001:DB8::/32"]),
        ("{{ range(3) }}", [0, 1, 2]),
        ("{{ ('a', 'b') }}", ["a", "b"]),
        ("{{ office.keys() }}", ["net", "mtu"]),
        ("x {{ office.mtu }}", "x 1400"),
        ("{{ gateways | join(',') }}", "192.0.2.0/24,2001:db8::/32"),
        ("{{ chain }}", "10.0.0.0/8"),
        ("{{ missing | default('d') }}", "d"),
        ("{{ missing is defined }}", False),
        ("{% for g in gateways %}{{ loop.index }}{{ g[:1] }}{% endfor %}", "1122"),
        ("{% if office.mtu > 1000 %}big{% endif %}", "big"),
        ("{% set x %}a{{ office.mtu }}{% endset %}{{ x ~ '!' }}", "a1400!"),
        ("{{ '%s-%03d' | format('a', 7) }}", "a-007"),
        ("{{ 'a,b'.split(',') }}", ["a", "b"]),
        ("{{ dict }}", "the user's own"),
        ("{# nothing #}", ""),
        ("plain", "plain"),
    ],
)
def test_a_template_gives_a_native_value(text: str, value: object) -> None:
    found = _render(text)
    assert found == value
    assert type(found) is type(value)


def test_everything_inside_a_value_is_rendered() -> None:
    value = {"{{ 'k' }}": ["{{ chain }}", {"a": "{{ office.mtu }}"}], "n": 1}
    assert Templar(VARIABLES).render(value) == {"k": ["10.0.0.0/8", {"a": 1400}], "n": 1}


def test_unsafe_text_is_never_a_template() -> None:
    assert not is_template(VARIABLES["raw"])
    assert _render("{{ raw }}") == "{{ not a template }}"


def test_a_secret_passes_through_unopened() -> None:
    assert _render("{{ secret }}") is VARIABLES["secret"]
    assert _code("{{ secret.reveal() }}") == "V303"
    assert "TOKEN" in _render("x {{ secret }}")


def test_a_variable_is_rendered_only_when_it_is_needed() -> None:
    assert _render("{{ chain }}") == "10.0.0.0/8"
    assert _code("{{ broken }}") == "V301"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ nothing }}", "V301"),
        ("{{ [nothing] }}", "V301"),
        ("{{ office.nothing }}", "V301"),
        ("a {{ nothing }}", "V301"),
        ("{{ me }}", "V306"),
        ("{{ unclosed", "V302"),
        ("{% for %}", "V302"),
        ("{{ 1 / 0 }}", "V302"),
        ("{{ 'a' + 1 }}", "V302"),
        ("{{ gateways | nofilter }}", "V302"),
        ("{{ [3, 1] | random }}", "V302"),
        ("{{ gateways[0].upper }}", "V302"),
        ("{% for i in [1] %}" * 25 + "{% endfor %}" * 25, "V302"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "V304"),
        ("x" * 30_000 + "{{ 1 }}", "V304"),
    ],
)
def test_a_mistake_has_its_code(text: str, code: str) -> None:
    assert _code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ gateways.append('x') }}",
        "{{ office.update({'a': 1}) }}",
        "{{ office.pop('net') }}",
        "{{ range.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{:{w}}'.format('x', w='999999999') }}",
        "{{ '{a}'.format_map(office) }}",
        "{{ 'x'.encode() }}",
        "{{ ('\\t' * 1000).expandtabs(1000000) }}",
        "{{ (1).to_bytes(2000000000, 'big') }}",
        "{{ '%999999999s' % 'x' }}",
        "{{ [[1], [2]] | sum(start=[]) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ self.__init__ }}",
    ],
)
def test_the_interpreter_is_out_of_reach(text: str) -> None:
    assert _code(text) in ("V301", "V303")


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ range(100001) }}",
        "{{ 'x' * 10000000 }}",
        "{{ 10000000 * [1] }}",
        "{{ 2 ** 99999 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ '%999999999s' | format('x') }}",
        "{{ '%*s' | format(999999999, 'x') }}",
        "{{ '%.999999999f' | format(1.0) }}",
        "{{ 'x' | center(999999999) }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ ('a\n' * 50000) | indent(9999) }}",
        "{{ ('a' * 50000) | replace('a', 'b' * 50000) }}",
        "{{ ('a' * 50000).replace('', 'b' * 50000) }}",
        "{{ [1] | tojson(indent=900000000) }}",
        "{{ 5 | round(-10000000) }}",
        "{{ [1] | batch(99999999, 'x') | list }}",
        "{{ [1] | slice(99999999) | list }}",
        "{{ 'x' * 100000 }}{% set a = 'x' * 100000 %}" + "{% set a = a ~ a %}" * 30 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
        "{% set a = (1,) %}" + "{% set a = (a, a) %}" * 40 + "{{ {a: 1} }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a == a }}",
        "{% set y %}{% for i in range(50000) %}{{ 'x' * 100000 }}{% endfor %}{% endset %}{{ y }}",
        "{% set b = range(100000) | list %}{% for i in range(99999) %}{{ 'a' in b }}{% endfor %}",
        "{% for i in range(99999) %}{{ range(100000) | sum }}{% endfor %}",
        "{{ range(99999) | select('in', range(100000) | list) | list }}",
        "{% set __steps = 5 %}{% for i in range(99999) %}{{ range(99999) | list }}{% endfor %}",
    ],
)
def test_no_template_runs_or_grows_without_end(text: str) -> None:
    assert _code(text) == "V304"


def test_the_budget_is_paid_for_work_not_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same template stops at the same step everywhere."""
    monkeypatch.setattr(budget, "MAX_STEPS", 100)
    assert _code("{% for i in range(50) %}{{ i }}{% endfor %}") == "V304"
    assert _render("{% for i in range(5) %}{{ i }}{% endfor %}") == "01234"


def test_variables_that_refer_to_one_another_too_deeply() -> None:
    chain = {f"v{n}": f"{{{{ v{n + 1} }}}}" for n in range(100)} | {"v100": "end"}
    with pytest.raises(TemplateError, match="V306"):
        Templar(chain).render("{{ v0 }}")
    assert Templar(chain).render("{{ v70 }}") == "end"


_WORDS = st.sampled_from(
    [
        "gateways",
        "office",
        "secret",
        "raw",
        "missing",
        "loop",
        "self",
        "range",
        "dict",
        "''.join",
        "'x'",
        "5",
        "99999999",
        "-1",
        "[]",
        "{}",
        "()",
        ".",
        ".__class__",
        ".format",
        ".items()",
        "|",
        "*",
        "**",
        "~",
        "+",
        "%",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "in",
        "is",
        "not",
        "if",
        "else",
        "and",
        "==",
        ">",
        "list",
        "map('upper')",
        "join",
        "sum",
        "sort",
        "format",
        "center(9999)",
        "indent",
        "batch(3)",
        "round",
        "replace('x','y')",
        "default(1)",
        "length",
        "first",
        "tojson",
        "groupby('x')",
        "defined",
        "select('in',[1])",
    ]
)
_STATEMENTS = st.sampled_from(
    [
        "{% for i in ",
        "{% if ",
        "{% set x = ",
        "{{ ",
        " }}",
        " %}",
        "{% endfor %}",
        "{% endif %}",
        "{#",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS | _STATEMENTS, max_size=12).map(" ".join))
def test_any_template_ends_in_a_value_or_a_finding(text: str) -> None:
    for template in (text, f"{{{{ {text} }}}}"):
        try:
            _plain(_render(template))
        except TemplateError as error:
            _same_place(error)


def _same_place(error: TemplateError) -> None:
    assert error.findings[0].place == PLACE


def _plain(value: object) -> None:
    """Check that a value is what YAML could hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            _plain(key)
            _plain(item)
    elif isinstance(value, list):
        for item in value:
            _plain(item)
    else:
        assert value is None or isinstance(value, str | int | float | bool | Secret)
