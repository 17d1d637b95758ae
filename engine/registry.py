"""Which ops there are: the built-in ones, and those of plugins, each admitted by itself or listed
with the reason why not. What comes out is a Vocabulary, which never changes."""

from __future__ import annotations

import functools
import hashlib
import itertools
import keyword
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy

from engine import hookspecs
from engine.discovery import Found, in_entry_points, in_folder, in_package
from engine.errors import EngineError, InputError, OpError
from engine.exam import examine
from engine.grammar import MODULES, SILENT_CALLS, WRAPPERS
from engine.names import nearest, unknown
from engine.op import Op
from engine.ops import OPS
from engine.value import Value, forget, teach

API = 1
"""What a plugin may rely on. One that names another in NUDGE_API is refused."""

OURS = (str(Path(__file__).parent), str(Path(pluggy.__file__).parent), "<frozen importlib")
"""Where the frames of a traceback lie that say nothing to the author of a plugin."""

RESERVED = MODULES | WRAPPERS | SILENT_CALLS
"""Names that mean something else in an expression."""


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What became of one plugin. Where `ok` is False none of its ops is admitted, `reason` says
    why, and `traceback` where it happened, if an exception of the plugin's was the cause."""

    name: str
    source: str
    """"package", "folder" or "entry point\""""
    version: str | None
    ok: bool
    ops: tuple[str, ...] = ()
    reason: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The ops in use, by name, and the plugins that were tried. Immutable."""

    ops: Mapping[str, Op]
    plugins: tuple[PluginStatus, ...] = ()

    @functools.cached_property
    def hash(self) -> str:
        """sha256 over the names and hashes of the ops."""
        lines = sorted(f"{name} {op.hash}" for name, op in self.ops.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @functools.cached_property
    def by_function(self) -> Mapping[Any, Op]:
        """Ops by their forward: an op whose forward is a numpy function answers for it. Where
        two would, the one that came first does."""
        return MappingProxyType({op.forward: op for op in reversed(list(self.ops.values()))})

    def op(self, name: str) -> Op:
        """The op of that name. Raises InputError (code unknown_op), which names the nearest."""
        if name not in self.ops:
            raise InputError(unknown("op", name, self.ops), code="unknown_op")
        return self.ops[name]

    def nearest(self, name: str) -> str | None:
        """The op whose name is most like `name`, if one is near."""
        return nearest(name, self.ops)


@functools.cache
def builtins() -> Vocabulary:
    """The built-in ops, each examined. Raises OpRefused if one fails: then Nudge is broken here."""
    for op in OPS.values():
        examine(op)
    return Vocabulary(OPS)


def load(
    package: str | None = "plugins", folder: Path | str | None = None, entry_points: bool = True
) -> Vocabulary:
    """The built-in ops and those of all plugins: the modules of `package`, the files of `folder`,
    and the entry points of group `nudge`, in this order.

    Values answer to the ops of the last load by fluent methods. Never raises for a plugin.
    """
    found = itertools.chain(
        in_package(package) if package else (),
        in_folder(Path(folder)) if folder else (),
        in_entry_points() if entry_points else (),
    )
    known = builtins().ops
    while _TAUGHT:
        forget(_TAUGHT.pop())
    admission = _Admission(known)
    plugins = tuple(admission.status(plugin) for plugin in found)
    for name in admission.ops.keys() - known.keys():
        teach(admission.ops[name])
        _TAUGHT.append(admission.ops[name])
    return Vocabulary(MappingProxyType(admission.ops), plugins)


_TAUGHT: list[Op] = []
"""The ops of plugins that Values answer to at present."""


class _Admission:
    """Takes plugins one at a time; `ops` grows by all the ops of one, or by none."""

    def __init__(self, ops: Mapping[str, Op]) -> None:
        self.ops = dict(ops)
        self.manager = pluggy.PluginManager("nudge")
        self.manager.add_hookspecs(hookspecs)

    def status(self, found: Found) -> PluginStatus:
        """Load a plugin and admit its ops, whatever it does."""
        key, version = f"{found.source} {found.name}", found.version
        try:
            plugin = found.load()
            version = version or getattr(plugin, "__version__", None)
            new = self._admitted(plugin, key)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() in a plugin must not end the service
            if self.manager.has_plugin(key):
                self.manager.unregister(name=key)
            if found.module:
                sys.modules.pop(found.module, None)
            return PluginStatus(
                found.name, found.source, version, False, (), _reason(error), _traceback(error)
            )
        for op in new.values():
            op.origin = found.name
        self.ops |= new
        return PluginStatus(found.name, found.source, version, True, tuple(new))

    def _admitted(self, plugin: Any, key: str) -> dict[str, Op]:
        api = getattr(plugin, "NUDGE_API", API)
        if api != API:
            raise OpError(f"it is written for plugin API {api}; this Nudge has {API}")
        if self.manager.has_plugin(key):
            raise OpError(f"there is already a plugin of this name ({key})")
        self.manager.register(self._hooked(plugin), name=key)
        self.manager.check_pending()
        new: dict[str, Op] = {}
        for op in self._returned(key):
            self._check_name(op.name, new)
            examine(op)
            new[op.name] = op
        return new

    def _hooked(self, plugin: Any) -> Any:
        """What pluggy is to register: the plugin, or, for one without hooks, its ops."""
        if isinstance(plugin, Op):
            return _Ops([plugin])
        marked = [n for n in dir(plugin) if self.manager.parse_hookimpl_opts(plugin, n)]
        if marked:
            for name in marked:
                if not hasattr(hookspecs, name):
                    raise OpError(unknown("hook", name, ["register_ops"]))
            return plugin
        if hasattr(plugin, "register_ops"):
            raise OpError(
                "its register_ops is not marked as a hook",
                hint="write @hookimpl above it; from engine.extend import hookimpl",
            )
        ops = [x for x in vars(plugin).values() if isinstance(x, Op) and _states(plugin, x)]
        if not ops:
            raise OpError("it states no op", hint="see @op() in plugins/README.md")
        return _Ops(dict.fromkeys(ops))

    def _returned(self, key: str) -> Iterator[Op]:
        """What the hook of this one plugin returns."""
        others = [p for p in self.manager.get_plugins() if self.manager.get_name(p) != key]
        results = self.manager.subset_hook_caller("register_ops", others)()
        if not results or not isinstance(results[0], Iterable):
            raise OpError("its register_ops does not return a list of ops")
        for thing in results[0]:
            if not isinstance(thing, Op):
                raise OpError(
                    f"its register_ops returns {thing!r:.60}, which is not an op",
                    hint="an op is made by op(…) or @op() of engine.extend",
                )
            yield thing

    def _check_name(self, name: Any, new: Mapping[str, Op]) -> None:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise OpError(f"{name!r} cannot name an op: it is not a word that Python lets one use")
        if name in new:
            raise OpError(f"it states the op {name} twice")
        if name in self.ops:
            origin = self.ops[name].origin
            of = "built into Nudge" if name in OPS else f"in the plugin {origin}"
            raise OpError(f"there is already an op {name} {of}", hint="choose another name")
        if name in RESERVED or hasattr(Value, name):
            raise OpError(f"{name} cannot name an op: it means something else to Nudge")


class _Ops:
    """The hook of a plugin that has none."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self.ops = list(ops)

    @pluggy.HookimplMarker("nudge")
    def register_ops(self) -> list[Op]:
        return self.ops


def _states(plugin: Any, op: Op) -> bool:
    """Whether an op in the namespace of a module is stated there, or in a module inside it."""
    return f"{op.module}.".startswith(f"{plugin.__name__}.")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, SystemExit):
        return f"it ends the program (SystemExit: {text})"
    if isinstance(error, EngineError):
        return f"{text}; {error.hint}" if error.hint else text
    if isinstance(error, SyntaxError) and error.filename:
        return f"SyntaxError in {Path(error.filename).name}, line {error.lineno}: {error.msg}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _traceback(error: BaseException) -> str | None:
    """The plugin's part of the traceback; None for a refusal that is ours alone."""
    cause = error.__cause__ if isinstance(error, EngineError) else error
    if cause is None:
        return None
    report = traceback.TracebackException.from_exception(cause, compact=True)
    while report.stack and _is_ours(report.stack[0].filename):
        del report.stack[0]
    return "".join(report.format(chain=False))


def _is_ours(filename: str) -> bool:
    return filename.startswith(OURS)
