"""What can be found out about a question: program, values, gradients, verdict, mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import (
    EngineError,
    Evaluation,
    ExpressionError,
    InputError,
    Program,
    Report,
    Vocabulary,
    check,
)
from engine.limits import Limits
from service.figures import typed
from service.pages.drawing import Graph
from service.pages.question import Question, tolerance
from service.reading import read

EULER = ", or write exp(x) for Euler's number to a power"


@dataclass(frozen=True)
class Problem:
    """Why a question has no answer, in words for the person who asked."""

    label: str
    message: str
    hint: str | None = None


@dataclass
class Answer:
    """As much as could be found out; what could not is None or empty."""

    question: Question
    program: Program | None = None
    evaluation: Evaluation | None = None
    report: Report | None = None
    at: Mapping[str, Any] = field(default_factory=dict)
    """The values that were typed, as numbers."""
    claimed: bool = False
    refused: EngineError | ValueError | None = None
    mistakes: dict[str, str] = field(default_factory=dict)
    """What is wrong with a text field, by its key: `at.x` or `claim.x`."""
    note: str | None = None
    """What was typed and is not used, in words."""

    @property
    def graph(self) -> Graph | None:
        """The graph to draw, where there is a value."""
        if self.program is None or self.evaluation is None:
            return None
        trouble = self.evaluation.non_finite
        return Graph(self.evaluation.nodes, self.program.output, trouble.name if trouble else None)

    @property
    def problem(self) -> Problem | None:
        """What of the question could not be understood, or None."""
        if self.mistakes:
            count = len(self.mistakes)
            fields = "One field needs" if count == 1 else f"{count} fields need"
            sentences = " ".join(dict.fromkeys(self.mistakes.values()))
            return Problem("not yet", f"{fields} another look. {sentences}")
        if self.refused is not None:
            unreadable = isinstance(self.refused, ExpressionError)
            label = "unreadable" if unreadable else "refused"
            return Problem(label, f"{self.refused}.", getattr(self.refused, "hint", None))
        return None


def answered(question: Question, vocabulary: Vocabulary, limits: Limits) -> Answer:
    """Parse, evaluate and check, as far as the question can be understood. Raises nothing that
    a question can cause."""
    answer = Answer(question)
    try:
        answer.program = program = read(question.source, vocabulary, limits)
        at, claims = _numbers(answer, program)
        if not any(key.startswith("at.") for key in answer.mistakes):
            answer.at, answer.evaluation = at, program.evaluate(at)
            wanted = tolerance(question.tolerance)
            if not answer.mistakes and program.inputs:
                answer.claimed = bool(claims)
                answer.report = check(program, at, claims or None, wanted)
    except InputError as error:
        key = _field(error.pointer)
        if key is None:
            answer.refused = error
        else:
            answer.mistakes[key] = f"{error}: {error.hint}." if error.hint else f"{error}."
    except (EngineError, ValueError) as error:
        answer.refused = error
    return answer


def _numbers(answer: Answer, program: Program) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values and claims as numbers; what cannot be read becomes a mistake of its field."""
    inputs = {entry.name: entry for entry in program.inputs}
    names = {"at": set(inputs), "claim": {*inputs, *(e.name for e in program.equations)}}
    read: dict[str, dict[str, Any]] = {"at": {}, "claim": {}}
    left_out: list[str] = []
    for kind, texts in (("at", answer.question.at), ("claim", answer.question.claims)):
        for name, text in texts.items():
            if name not in names[kind]:
                left_out.append(f"{name} = {text}" if kind == "at" else f"your gradient for {name}")
                continue
            try:
                read[kind][name] = typed(text)
            except ValueError as error:
                answer.mistakes[f"{kind}.{name}"] = str(error)
    if left_out:
        answer.note = f"Left out, because the expression has no such input: {', '.join(left_out)}."
    for name, entry in inputs.items():
        key = f"at.{name}"
        if entry.default is None and name not in read["at"] and key not in answer.mistakes:
            answer.mistakes[key] = f"Give {name} a value{EULER if name == 'e' else ''}."
    return read["at"], read["claim"]


def _field(pointer: str | None) -> str | None:
    """The text field that a JSON pointer such as /at/x or /claimed/w/0 means."""
    parts = (pointer or "").split("/")
    kind = {"at": "at", "claimed": "claim"}.get(parts[1]) if len(parts) > 2 else None
    return kind and f"{kind}.{parts[2].replace('~1', '/').replace('~0', '~')}"
