"""In which order a program of scalars is carried out: in runs of one operation.

A run is a row that does the same thing to many nodes. Long runs cost less per node: the
interpreter looks at what to do once, and the processor guesses right. This is list scheduling
(Graham 1966) with the rule that the operation with the most nodes ready comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping

from engine.program import Equation


def runs(
    equations: Mapping[int, Equation], kind: Callable[[Equation], Hashable]
) -> Iterator[list[int]]:
    """The places of `equations`, each once and after all that it depends on. Those of one run are
    of one `kind` and do not depend on each other; a kind of None stands alone."""
    users: dict[int, list[int]] = {place: [] for place in equations}
    waits: dict[int, int] = {}
    ready: dict[Hashable, list[int]] = {}
    alone: list[int] = []

    def release(place: int) -> None:
        key = kind(equations[place])
        (alone if key is None else ready.setdefault(key, [])).append(place)

    for place, equation in equations.items():
        sources = {arg for arg in equation.args if arg in equations}
        waits[place] = len(sources)
        for source in sources:
            users[source].append(place)
        if not sources:
            release(place)
    while alone or ready:
        longest = None if alone else max(ready, key=lambda key: len(ready[key]))
        run = [alone.pop()] if longest is None else ready.pop(longest)
        yield run
        for done in run:
            for user in users[done]:
                waits[user] -= 1
                if not waits[user]:
                    release(user)


def alive(program_nodes: tuple[object, ...], output: int) -> dict[int, Equation]:
    """The equations that the node at `output` depends on, by place, in order."""
    needed = {output}
    for place in range(output, -1, -1):
        node = program_nodes[place]
        if place in needed and isinstance(node, Equation):
            needed.update(node.args)
    return {
        place: node
        for place, node in enumerate(program_nodes)
        if place in needed and isinstance(node, Equation)
    }
