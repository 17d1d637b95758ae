"""The page on errors: every code that the sources name, with its status, meaning and mend.

The codes are found in the sources, what they mean stands here: a code without a row is an error,
and so is a row without a code.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import engine
import service
from docs.tables.markdown import code, table
from service import errors, refusals
from service.errors import RequestError

EXPRESSION, INPUT, REQUEST, RUN = "expression", "input", "request", "run"

MEANINGS = {
    # expressions that cannot be read
    "unreadable": ("The expression cannot be read.", "See the position and the hint."),
    "syntax": ("Python's grammar says no.", "One assignment or expression a line."),
    "missing_operator": ("Two terms stand side by side.", "Write `2*a` for `2a`."),
    "caret": ("`^` is no power here.", "Write `**`."),
    "unsupported": (
        "Python has it, the language of expressions has not.",
        "See [what is read](expressions.md#what-is-read).",
    ),
    "unknown_op": (
        "There is no operation of this name.",
        "The hint names the nearest; `nudge ops` lists all.",
    ),
    "op_without_call": ("An operation's name stands alone.", "Write brackets behind it."),
    "argument_count": ("Too few or too many arguments.", "The hint says how it is called."),
    "argument": (
        "An argument, an index or an array is not written out as it must be.",
        "See the hint.",
    ),
    "unknown_parameter": ("The operation has no such parameter.", "The hint says which."),
    "number": ("The number is too large for float64.", "Stay below 1.8e308."),
    "unknown_name": (
        "A formula uses a name that is not given.",
        "A backward rule may use `g`, `y` and the inputs of its operation.",
    ),
    "empty": ("There is no expression in the source.", "Write one."),
    "too_long": ("The source is too long.", "At most 4,096 bytes are read."),
    "too_deep": (
        "Too many brackets, calls or signs inside one another.",
        "Give parts a name on a line of their own.",
    ),
    "too_many_nodes": (
        "Too many inputs, numbers and operations.",
        "Use arrays, or split the expression.",
    ),
    "too_many_inputs": ("Too many inputs.", "Put numbers that belong together into an array."),
    # points, claims and shapes
    "invalid_input": ("A value that was handed in does not fit.", "See the pointer."),
    "engine_error": ("The engine refuses, and has no better word.", "See the message."),
    "not_a_number": (
        "A number, or a list of numbers, is wanted.",
        "Numbers in quotes, true and null are none.",
    ),
    "not_finite": ("A value of an input is infinite or nan.", "Give a number of ordinary size."),
    "missing_input": ("An input has no value.", "Give it in `at`, or in the source: `x = 2`."),
    "unknown_input": (
        "A point, a claim or a rule is for a name that is not there.",
        "The hint says which names there are.",
    ),
    "wrong_shape": (
        "Arrays whose shapes do not go together.",
        "A gradient has the shape of its input.",
    ),
    "too_many_elements": ("An array is too large.", "At most 10,000 numbers are in one."),
    "output_not_scalar": (
        "The output is an array, and a gradient needs one number.",
        "Reduce it: `sum(y)`.",
    ),
    "no_inputs": (
        "Nothing to check: the expression has no inputs.",
        "Leave a name without a value.",
    ),
    "invalid_tolerance": (
        "This is not a tolerance.",
        "Say `student`, `strict`, or a number up to 0.5.",
    ),
    "invalid_step": (
        "The step of a difference quotient is not a positive number.",
        "Give a small one, such as 1e-6.",
    ),
    "empty_block": (
        "A block of training steps has at least one step.",
        "Leave `block_steps` out, or give 1 or more.",
    ),
    "invalid_direction": (
        "A direction is drawn from a seed, and this is none.",
        "Give a whole number, such as 0.",
    ),
    "not_a_value": (
        "A function to be traced gave back something else than one Value.",
        "Return one Value, made from the arguments by operations.",
    ),
    "invalid_method": ("There is no such method.", "Say `auto`, `exact` or `blackbox`."),
    "too_many_components": (
        "Too many numbers to check, or to sweep, in too large an expression.",
        "Claim fewer inputs at a time.",
    ),
    # any function at all
    "function_failed": (
        "The function, or its gradient, raised an error.",
        "It is called with the inputs in the form of `at`; the message has its own error.",
    ),
    "not_one_number": (
        "The function returns something other than one real number.",
        "Sum the entries of an array, each times a weight.",
    ),
    "no_gradient": (
        "There is no claimed gradient, or it holds no number.",
        "Hand in `gradient`: an array, or a function that returns it.",
    ),
    "wrong_count": (
        "As many names, or parts of a gradient, are wanted as there are inputs.",
        "Give one for each input, in their order.",
    ),
    "too_few_evaluations": (
        "So few calls allow no judgement.",
        "The hint says how many it takes.",
    ),
    # backward rules
    "missing_forward": (
        "Neither what the operation computes nor its name is given.",
        "Write the forward, such as `tanh(x)`.",
    ),
    "no_rules": ("There is no backward rule to check.", 'Give one: `{"x": "g * …"}`.'),
    "reserved_name": (
        "An input has a name that rules need for something else.",
        "Rules call the upstream gradient `g` and the output `y`; take another name.",
    ),
    "not_elementwise": (
        "Rules as text are for operations on single numbers.",
        "Check an operation on whole arrays as a function.",
    ),
    "missing_parameter": (
        "The operation needs a parameter that has no default.",
        "Give its forward, with the number in it.",
    ),
    "too_much_work": (
        "To check these rules would take too many operations.",
        "Check one rule at a time, or the operation part by part.",
    ),
    # backpropagation, replayed
    "unknown_slip": ("There is no slip of this name.", "The hint names the nearest, or all."),
    "wrong_passes": (
        "The slip does not show in so many passes.",
        "`no_zero_grad` and `stale_graph` take 2 to 20 passes; the others take one.",
    ),
    "too_many_steps": (
        "The replay would take too many steps.",
        "Use a shorter expression, fewer uses of one value, or fewer passes.",
    ),
    # training
    "invalid_record": (
        "The record of a training run does not hold together.",
        "The pointer says where.",
    ),
    "invalid_config": (
        "A training configuration cannot be.",
        "`errors` lists everything that is wrong, each with its pointer.",
    ),
    "op_error": ("An operation broke its contract.", "Tell the author of the plugin."),
    "op_refused": (
        "An operation did not pass its exam.",
        "The message gives the place and both numbers.",
    ),
    "not_a_scalar": ("`backward()` of an array needs a gradient.", "Reduce it: `y.sum()`."),
    "empty_layer": ("A layer without inputs or neurons.", "Sizes are at least 1."),
    "unknown_activation": (
        "There is no activation of this name.",
        "The message names the nearest.",
    ),
    "bad_checkpoint": ("These bytes are no checkpoint.", "Start the run anew."),
    "wrong_checkpoint": (
        "The checkpoint is that of another configuration, or of other operations.",
        "Start the run anew.",
    ),
    # requests
    "malformed_json": ("The body is not JSON.", "The message says where it goes wrong."),
    "bad_request": ("The request cannot be read.", "Look at it as it was sent: `curl -v`."),
    "cross_site": ("A page of another site sent this.", "Send it from Nudge's own page."),
    "not_found": ("There is nothing at this address.", "See [the routes](api.md#routes)."),
    "unknown_program": (
        "No program has this hash, or nobody has used it for long.",
        "`POST` its source to `/api/v1/programs` again.",
    ),
    "program_unreadable": (
        "The program was stored with operations that are no longer there.",
        "The operator may have removed a plugin; `GET /api/v1/ops` lists what there is.",
    ),
    "unknown_run": ("No such run, or it has expired.", "See `expires_at` of a run."),
    "unknown_series": ("The run has no such series.", "The hint lists those it has."),
    "method_not_allowed": ("The address is there, the method is not.", "See the header `Allow`."),
    "conflict": ("Something else is going on with the same thing.", "Try again."),
    "idempotency_in_progress": (
        "The first request with this key is still being answered.",
        "Wait as `Retry-After` says.",
    ),
    "run_ended": ("The run has ended, so it cannot be cancelled.", "Nothing is to be done."),
    "too_large": ("Body or address is too long.", "See [`NUDGE_MAX_BODY_BYTES`](settings.md)."),
    "unsupported_media_type": (
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.",
    ),
    "unknown_host": (
        "Nudge was asked for under a name that is not its own.",
        "The operator lists names in [`NUDGE_ALLOWED_HOSTS`](settings.md).",
    ),
    "invalid": (
        "JSON, but not what is wanted here.",
        "`errors` says where: a pointer into the body, or a parameter.",
    ),
    "invalid_cursor": ("The cursor is none of this collection.", "Give back `next` unchanged."),
    "idempotency_key_reused": (
        "The key was used for another request.",
        "Draw a new key for each new request.",
    ),
    "rate_limited": ("Too many requests.", "Wait as `Retry-After` says."),
    "internal_error": (
        "Our mistake. The log has all of it.",
        "Tell the operator the id: `instance`, or that of the run.",
    ),
    "unavailable": ("The service cannot answer now.", "Wait as `Retry-After` says."),
    "storage_unavailable": (
        "The database is locked, full or gone. Nothing was stored.",
        "Try again; the operator looks at the disk.",
    ),
    "queue_full": ("Too many runs are waiting. Nothing was stored.", "Wait as `Retry-After` says."),
    "not_ready": ("Database, schema or queue are not there yet.", "`errors` says which."),
    # runs
    "worker_lost": ("Three workers were lost over this run.", "See the log; submit it again."),
    "stalled": (
        "One block of steps took longer than a worker's lease.",
        "Take a smaller network or batch, or raise [`NUDGE_LEASE_SECONDS`](settings.md).",
    ),
}
"""Meaning and mend of each code."""


@dataclass(frozen=True, order=True)
class Code:
    """A code, what it is about, and the status it goes out with; None in a run's `error`."""

    kind: str
    status: int | None
    name: str


def table_of(kind: str) -> str:
    """The codes of one kind."""
    found = sorted(row for row in found_codes() if row.kind == kind)
    status = [str(row.status or "") for row in found]
    rows = [(code(row.name), s, *MEANINGS[row.name]) for row, s in zip(found, status, strict=True)]
    headings = ("Code", "Status", "What it means", "How to mend it")
    if kind == RUN:
        return table(("Code", *headings[2:]), [(row[0], *row[2:]) for row in rows])
    return table(headings, rows)


@functools.cache
def found_codes() -> frozenset[Code]:
    """Every code that the sources of engine and service name."""
    found: set[Code] = set()
    for package in (engine, service):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found.update(_as_seen(package, row) for row in _codes(node))
    found |= {Code(REQUEST, status, name) for status, (name, _) in refusals.WORDS.items()}
    return frozenset(found)


def _as_seen(package: ModuleType, row: Code) -> Code:
    """An error of the engine that the service makes itself is about a run."""
    return row if package is engine or row.kind == REQUEST else Code(RUN, None, row.name)


def _codes(node: ast.AST) -> Iterator[Code]:
    match node:
        case ast.ClassDef(name=cls, body=body):
            for line in body:
                name = _own_code(line)
                if name:
                    yield _of_class(cls, name)
        case ast.Call(
            func=ast.Name(id="Problem"),
            args=[ast.Constant(value=int(status)), ast.Constant(value=str(name)), *_],
        ):
            yield Code(REQUEST, status, name)
        case ast.Call(func=ast.Name(id=cls), keywords=keywords):
            for keyword in keywords:
                match keyword:
                    case ast.keyword(arg="code", value=ast.Constant(value=str(name))):
                        yield _of_class(cls, name)
        case ast.Call(
            func=ast.Attribute(attr="error"), args=[_, ast.Constant(value=str(name)), *_]
        ):
            yield Code(EXPRESSION, 422, name)
        case ast.Call(
            func=ast.Attribute(attr="_finish"),
            args=[_, ast.Tuple(elts=[ast.Constant(value=str(name)), *_])],
        ):
            yield Code(RUN, None, name)
        case ast.Assign(
            targets=[ast.Name(id=constant)],
            value=ast.Tuple(elts=[ast.Constant(value=str(name)), *_]),
        ) if constant == "WORKER_LOST":
            yield Code(RUN, None, name)


def _own_code(line: ast.stmt) -> str | None:
    """The code that a class states: `code = "x"`, or `status, code = 400, "x"`."""
    match line:
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(name))):
            return name
        case ast.Assign(
            targets=[ast.Tuple(elts=[ast.Name(id="status"), ast.Name(id="code")])],
            value=ast.Tuple(elts=[_, ast.Constant(value=str(name))]),
        ):
            return name
    return None


def _of_class(cls: str, name: str) -> Code:
    """The code `name` of an error of the class called `cls`, with the status it goes out with."""
    error = getattr(engine.errors, cls, None) or getattr(errors, cls, None)
    if error is None:
        raise AssertionError(f"{cls}({name!r}) is an error that the page on errors does not know")
    made = error([("", "")]) if error is engine.ConfigError else error("", code=name)
    status = refusals.problem_of(made).status
    if issubclass(error, RequestError) or status == 500:
        return Code(REQUEST, status, name)
    return Code(EXPRESSION if error is engine.ExpressionError else INPUT, status, name)
