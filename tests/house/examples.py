"""The examples of a page, run in their order and compared with what the page shows.

What is done with a fenced block follows from the words after its fence:

    python               run, all in one namespace; after >>> the answer is compared
    … file=NAME          written to NAME in the page's folder, for what comes after it
    console              each command after $ is run, and what follows it is compared
    sh                   run where it begins with curl, else only shown
    json                 what the command before answered, laid out anew

In what is compared … stands for anything, blanks and the ends of lines do not count, and an id
such as run_01… for the one that this time is drawn in its place.
"""

from __future__ import annotations

import doctest
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(?P<words>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ID = re.compile(r"\b(?:gc|run)_[0-9a-z]{30}\b")
PLACEHOLDER = "ID"
ADDRESS = "http://127.0.0.1:8000"
PROBLEM = re.compile(r'^\{"type": ?"about:blank"')
PATIENCE = 30.0
"""Seconds after which what takes a moment, such as a run, has to be as the page shows it."""


@dataclass(frozen=True)
class Block:
    """One fenced block: the language, what else stands behind the fence, and where it begins."""

    language: str
    options: dict[str, str]
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(source):
        language, *words = match["words"].split() or [""]
        options = dict(word.split("=", 1) for word in words)
        line = source.count("\n", 0, match.start()) + 2
        found.append(Block(language, options, match["text"], line))
    return found


@dataclass
class Command:
    """A command line, and what the page shows of its answer; None where it shows nothing."""

    text: str
    line: int
    shown: str | None = None
    blanks: bool = True
    """whether blanks part words in the answer; between the signs of JSON they do not"""

    @property
    def goes_on(self) -> bool:
        """Whether the shell would wait for another line."""
        return self.text.endswith("\\") or self.text.count("'") % 2 == 1

    @property
    def asks(self) -> bool:
        """Whether it only reads from the service, so that it may be asked again."""
        return "curl" in self.text and not re.search(r"-d |-X |--data", self.text)


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block, or the one of a block of curl."""
    if block.language == "sh":
        if block.text.startswith("curl "):
            yield Command(block.text, block.line)
        return
    command: Command | None = None
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            if command:
                yield command
            command = Command(line[2:], number)
        elif command and command.shown is None and command.goes_on:
            command.text += f"\n{line}"
        elif command:
            command.shown = f"{command.shown or ''}{line}\n"
    if command:
        yield command


class Page:
    """Runs the examples of one page in `folder`, against the service at `address`.

    Raises AssertionError, with the line, where one does not do what the page says.
    """

    def __init__(self, path: Path, folder: Path, address: str, environment: dict[str, str]) -> None:
        self.path, self.folder, self.address = path, folder, address
        self.environment = environment
        self.names: dict[str, Any] = {"__name__": path.stem}
        self.ids: dict[str, str] = {}
        self.kept: list[str] = []

    def run(self) -> None:
        """Run all examples from top to bottom."""
        pending: list[Command] = []
        for block in blocks(self.path):
            if block.language == "json" and pending and not block.options:
                pending[-1].shown, pending[-1].blanks = block.text, False
                continue
            self._flush(pending)
            if "file" in block.options:
                file = self.folder / block.options["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            elif block.language == "python":
                self._python(block)
            elif block.language in ("console", "sh"):
                pending = list(commands(block))
        self._flush(pending)

    def _python(self, block: Block) -> None:
        if ">>> " not in block.text:
            exec(compile("\n" * (block.line - 1) + block.text, self.path, "exec"), self.names)
            return
        examples = doctest.DocTestParser().get_doctest(
            block.text, self.names, self.path.name, str(self.path), block.line - 1
        )
        told: list[str] = []
        runner = doctest.DocTestRunner(_Checker(), verbose=False)
        runner.run(examples, out=told.append, clear_globs=False)
        self.names.update(examples.globs)
        assert runner.failures == 0, "".join(told)

    def _flush(self, pending: list[Command]) -> None:
        for command in pending:
            self._command(command)
        pending.clear()

    def _command(self, command: Command) -> None:
        where = f"{self.path.name}, line {command.line}: {command.text}"
        deadline = time.monotonic() + PATIENCE
        while True:
            status, answer = self._answer(command)
            same = self._compared(command, answer)
            if same or not command.asks or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert same, f"{where}\nshown: {command.shown}\ncame: {answer}"
        if command.shown is None:
            assert status == 0, f"{where}\nended with {status}: {answer}"
            assert not PROBLEM.match(answer), f"{where}\n{answer}"
        if command.text.startswith(("export ", "cd ")):
            self.kept.append(command.text)

    def _answer(self, command: Command) -> tuple[int, str]:
        text = command.text.replace(ADDRESS, self.address)
        for shown, drawn in self.ids.items():
            text = re.sub(rf"\b{shown}\b", drawn, text)
        result = subprocess.run(
            ["bash", "-ec", "\n".join([*self.kept, text])],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        drawn = ID.findall(result.stdout)
        if drawn:
            self.ids[PLACEHOLDER] = drawn[0]
        return result.returncode, result.stdout.replace(self.address, ADDRESS)

    def _compared(self, command: Command, answer: str) -> bool:
        if command.shown is None:
            return True
        match = pattern(command.shown, command.blanks).fullmatch(bare(answer, command.blanks))
        if match:
            self.ids |= match.groupdict()
        return match is not None


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return pattern(want).fullmatch(bare(got)) is not None


def bare(text: str, blanks: bool = True) -> str:
    """Text with one blank, or none, where there are some."""
    return (" " if blanks else "").join(text.split())


def pattern(shown: str, blanks: bool = True) -> re.Pattern[str]:
    """What an answer has to be like; a group of its own name catches the id in each place."""
    seen: set[str] = set()

    def caught(match: re.Match[str]) -> str:
        known = match[0] in seen
        seen.add(match[0])
        return f"(?P={match[0]})" if known else f"(?P<{match[0]}>{ID.pattern})"

    parts = [re.escape(bare(part, blanks)) for part in shown.split("…")]
    between = r"\s?.*?\s?" if blanks else ".*?"
    return re.compile(ID.sub(caught, between.join(parts)), re.DOTALL)
