"""What the address of the first page asks: an expression, a point, and claims, as typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from service.figures import typed

POLICIES = {"student": "student: four digits", "strict": "strict: six digits"}
"""The named tolerances and what the form calls them."""


@dataclass(frozen=True)
class Question:
    """The form, as it was typed; nothing is read or judged yet."""

    source: str
    at: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    tolerance: str = "student"

    @classmethod
    def from_query(cls, pairs: Iterable[tuple[str, str]]) -> Question | None:
        """The question in a query string, or None where it asks nothing."""
        source, tolerance = None, "student"
        at: dict[str, str] = {}
        claims: dict[str, str] = {}
        for key, text in pairs:
            if key == "source":
                # Browsers send the lines of a textarea with CR LF.
                source = text.replace("\r\n", "\n").replace("\r", "\n")
            elif key == "tolerance":
                tolerance = text.strip()
            elif key.startswith("at."):
                at[key.removeprefix("at.")] = text.strip()
            elif key.startswith("claim."):
                claims[key.removeprefix("claim.")] = text.strip()
        return None if source is None else cls(source, _given(at), _given(claims), tolerance)

    @property
    def query(self) -> str:
        """The query string that asks this question."""
        pairs = [("source", self.source)]
        pairs += [(f"at.{name}", text) for name, text in self.at.items()]
        pairs += [(f"claim.{name}", text) for name, text in self.claims.items()]
        if self.tolerance != "student":
            pairs.append(("tolerance", self.tolerance))
        return urlencode(pairs)

    def curl(self, base: str) -> str:
        """The request to the API at `base` that asks the same, as one shell command."""
        body: dict[str, Any] = {"source": self.source, "at": _numbers(self.at)}
        resource = "evaluations"
        if self.claims:
            resource = "gradchecks"
            body |= {"claimed": _numbers(self.claims), "tolerance": tolerance(self.tolerance)}
        return _post(f"{base}/api/v1/{resource}", body)

    def steps(self, base: str, program_hash: str, slip: str | None) -> str:
        """The two requests that play backpropagation step by step, perhaps with a slip."""
        programs = f"{base}/api/v1/programs"
        played: dict[str, Any] = {"at": _numbers(self.at)} | ({"slip": slip} if slip else {})
        return "\n".join(
            (
                _post(programs, {"source": self.source}),
                _post(f"{programs}/{program_hash}/steps", played),
            )
        )

    def command(self) -> str:
        """The command that asks the same without a server."""
        options = []
        for name, text in self.claims.items():
            options += ["--claim", f"{name}={text.replace(' ', '')}"]
        if self.tolerance != "student":
            options += ["--tolerance", self.tolerance]
        if self.source.startswith("-"):
            options.append("--")
        point = [f"{name}={text.replace(' ', '')}" for name, text in self.at.items()]
        return shlex.join(["nudge", "check", *options, self.source, *point])


def tolerance(text: str) -> str | float:
    """The name of a policy, or the number that was typed. Raises ValueError."""
    if text in POLICIES:
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"“{text[:40]}” is no tolerance: say student, strict or a number"
        ) from None


def _post(url: str, body: Mapping[str, Any]) -> str:
    """A request as one shell command."""
    text = json.dumps(body, ensure_ascii=False)
    return (
        f"curl -s {shlex.quote(url)} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(text)}"
    )


def _given(texts: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _numbers(texts: Mapping[str, str]) -> dict[str, Any]:
    """Numbers where they can be read; JSON has no nan, so such a text stays as it is."""
    return {name: _json_number(text) for name, text in texts.items()}


def _json_number(text: str) -> Any:
    try:
        value = typed(text)
        json.dumps(value, allow_nan=False)
    except ValueError:
        return text
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value
