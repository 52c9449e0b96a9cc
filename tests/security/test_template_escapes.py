"""A template knows its variables and nothing else, and a variable is never read as a template."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest

from tests.flow.system import EMAIL, System, until

SECRET = "canary-of-the-environment"
DATA = {
    "an output": "{{ 7 | times: 6 }}",
    "a tag": "{% assign x = 42 %}{{ x }}",
    "a loop": "{% for i in (1..3) %}{{ i }}{% endfor %}",
    "Jinja": "{{ ''.__class__.__mro__ }}",
    "an expression": "${7*6} #{7*6} <%= 7*6 %> *{7*6}",
    "a template that is not closed": "{{ {% raw",
    "raw": "{% endraw %}{{ 7 | times: 6 }}",
    "a comment": "{% comment %}x{% endcomment %}",
}
ESCAPES = {
    "a class": "{{ name.__class__ }}{{ name.__class__.__mro__[1].__subclasses__ }}",
    "globals": "{{ name.__init__.__globals__ }}{{ name['__class__'] }}{{ name | attr: '__class__' }}",
    "methods": "{{ name.upper }}{{ name.encode }}{{ name.format }}{{ name.pop }}{{ name.items }}",
    "a file": "{% include '/etc/passwd' %}",
    "another template": "{% render '../welcome' %}",
    "an extended one": "{% extends 'welcome' %}{% block x %}{% endblock %}",
    "the environment": "{{ env.PILLARBOX_BROKER_URL }}{{ settings }}{{ environ }}{{ self }}{{ context }}",
    "an import": "{% import 'os' %}{{ os.environ }}",
    "a call": "{{ name() }}{{ range(10) }}{{ cycler }}",
    "without end": "{% for i in (1..1000000000) %}{% for j in (1..1000000000) %}x{% endfor %}{% endfor %}",
    "a bomb": "{% assign a = name %}" + "{% assign a = a | append: a %}" * 60 + "{{ a }}",
    "a deep one": "{% if true %}" * 2_000 + "{% endif %}" * 2_000,
}


def sent(box: System, source: str, variables: dict[str, Any]) -> str | None:
    """Make a template of a source and have it sent; give what went out, or None if it is refused."""
    made = box.client.post("/templates", json={"name": "escapes", "subject": "Hi", "text": source})
    assert made.status_code in {201, 422}, made.text
    if made.status_code == 422:
        return None
    template_id = made.json()["id"]
    published = box.client.post(f"/templates/{template_id}/publish")
    assert published.status_code in {200, 422}
    body = {name: EMAIL[name] for name in ("from", "to")}
    answer = box.client.post("/emails", json=body | {"template": {"id": template_id, "variables": variables}})
    assert answer.status_code in {202, 422}, answer.text
    if answer.status_code == 422:
        return None
    message_id = answer.json()["id"]
    until(lambda: box.email(message_id)["status"] in {"sent", "failed"}, 60, "its end")
    file = box.folder / "outbox" / f"{message_id}.eml"
    if not file.exists():
        return None
    letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    body_part = letter.get_body()
    assert body_part is not None
    return str(body_part.get_content())


@pytest.mark.parametrize("case", DATA)
def test_a_variable_is_data(box: System, case: str) -> None:
    """It arrives as it was given, and is rendered no second time."""
    assert f"Hello {DATA[case]}!" == (sent(box, "Hello {{ name }}!", {"name": DATA[case]}) or "").strip()


@pytest.mark.parametrize("case", ESCAPES)
def test_a_template_gets_at_nothing_else(box: System, case: str) -> None:
    """Neither at Python, nor at files, nor at what the process knows, nor at more time than is its own."""
    told = sent(box, "Hello " + ESCAPES[case], {"name": "Ann"})

    assert not [word for word in ("class", "<", "built", "method", "root:", "filesystem", "Welcome", "canary")
                if word in (told or "")]  # fmt: skip
    assert len(told or "") < 100_000
