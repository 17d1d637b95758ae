"""Plugins are admitted one by one; a broken one is listed and stops nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import InputError, Value, parse
from engine.ops import OPS
from engine.registry import PluginStatus, Vocabulary, builtins, load

HEAD = "import numpy as np\nfrom engine.extend import hookimpl, op\n"
CUBE = 'cube = op("cube", lambda x: x**3, lambda g, y, x: 3 * g * x * x)\n'
SINE = 'sine = op("sine", lambda x: np.sin(x), lambda g, y, x: g * np.cos(x))\n'
LIST = "@hookimpl\ndef register_ops():\n    return [cube]\n"

BROKEN = {
    "imports": ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
    "syntax": (HEAD + "def f(x:\n    return x\n", "SyntaxError in syntax.py, line 3"),
    "exits": ("import sys\nsys.exit(3)\n", "it ends the program (SystemExit: 3)"),
    "signature": (HEAD + CUBE + LIST.replace("()", "(shelf)"), "'shelf'"),
    "typo": (HEAD + CUBE + LIST.replace("ter_ops", "ter_opps"), "did you mean 'register_ops'?"),
    "gradient": (HEAD + CUBE.replace("3 *", "2 *"), "the backward says"),
    "twice": (HEAD + CUBE + CUBE.replace("cube =", "other ="), "states the op cube twice"),
    "newer": ("NUDGE_API = 2\n" + HEAD + CUBE, "written for plugin API 2; this Nudge has 1"),
    "hook_raises": (HEAD + LIST, "NameError: name 'cube' is not defined"),
    "hook_exits": (HEAD + LIST.replace("return [cube]", "raise SystemExit"), "SystemExit"),
    "returns_text": (HEAD + LIST.replace("[cube]", '["cube"]'), "'cube', which is not an op"),
    "returns_nothing": (HEAD + LIST.replace("return [cube]", "pass"), "does not return a list"),
    "returns_an_op": (HEAD + CUBE + LIST.replace("[cube]", "cube"), "does not return a list"),
    "unmarked": (HEAD + CUBE + LIST.removeprefix("@hookimpl\n"), "not marked as a hook"),
    "without_ops": ("import numpy\n", "it states no op"),
    "borrowed": ("from plugins.silu import silu\n", "it states no op"),
    "shadows": (HEAD + CUBE.replace('"cube"', '"tanh"'), "already an op tanh built into Nudge"),
    "not_a_word": (HEAD + CUBE.replace('"cube"', '"a cube"'), "'a cube' cannot name an op"),
    "keyword": (HEAD + CUBE.replace('"cube"', '"lambda"'), "'lambda' cannot name an op"),
    "takes_value": (HEAD + CUBE.replace('"cube"', '"Value"'), "Value cannot name an op"),
    "takes_module": (HEAD + CUBE.replace('"cube"', '"np"'), "np cannot name an op"),
    "takes_attribute": (HEAD + CUBE.replace('"cube"', '"data"'), "data cannot name an op"),
    "no_backward": (HEAD + "@op()\ndef cube(x):\n    return x**3\n", "it has no backward"),
    "counts": (HEAD + 'a = op("a", np.sin, (None, None))\n', "1 inputs but 2 backward rules"),
    "skips": ("import pytest\npytest.skip('not here', allow_module_level=True)\n", "not here"),
    "null": ("\0", "null bytes"),
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Values answer to the plugins of the last load, so each test ends with a plain one."""
    yield
    load()


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def only(vocabulary: Vocabulary) -> PluginStatus:
    (status,) = vocabulary.plugins
    return status


def test_plugin_in_folder_is_usable(tmp_path: Path) -> None:
    vocabulary = load(folder=written(tmp_path, powers=f'__version__ = "1.2"\n{HEAD}{CUBE}'))
    assert [p.name for p in vocabulary.plugins] == ["silu", "powers"]
    assert vocabulary.plugins[1] == PluginStatus("powers", "folder", "1.2", True, ("cube",))
    assert vocabulary.op("cube").origin == "powers"
    a = Value(2.0)
    b = a.cube()
    b.backward()
    assert (b.data, a.grad) == (8.0, 12.0)
    assert parse("cube(x)", vocabulary).evaluate({"x": 2.0}).gradients == {"x": 12.0}
    assert parse("(2*x).cube()", vocabulary).evaluate({"x": 1.0}).value == 8.0


def test_package_holds_silu() -> None:
    status = only(load(entry_points=False))
    assert (status.name, status.source, status.ok, status.ops) == (
        "silu", "package", True, ("silu",),
    )  # fmt: skip


def test_page_shows_silu_as_it_is() -> None:
    folder = Path(__file__).parents[2] / "plugins"
    shown = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1]
    assert (folder / "silu.py").read_text(encoding="utf-8").endswith(shown.split("```")[0])


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_listed(name: str, tmp_path: Path) -> None:
    text, reason = BROKEN[name]
    before = set(sys.modules)
    vocabulary = load(package=None, folder=written(tmp_path, **{name: text}), entry_points=False)
    status = only(vocabulary)
    assert (status.name, status.ok, status.ops) == (name, False, ())
    assert status.reason is not None
    assert reason in status.reason
    assert "\n" not in status.reason
    assert vocabulary.hash == builtins().hash
    assert not [m for m in set(sys.modules) - before if m.startswith("nudge_plugin")]


def test_ten_plugins_admit_two(tmp_path: Path) -> None:
    eight = ("imports", "syntax", "exits", "signature", "typo", "gradient", "newer", "shadows")
    files = {name: BROKEN[name][0] for name in eight}
    files |= {"a_sine": HEAD + SINE, "z_cube": HEAD + CUBE + LIST}
    vocabulary = load(package=None, folder=written(tmp_path, **files))
    assert len(vocabulary.plugins) == 10
    assert [p.name for p in vocabulary.plugins if p.ok] == ["a_sine", "z_cube"]
    assert vocabulary.ops.keys() - OPS.keys() == {"sine", "cube"}


def test_one_bad_op_keeps_out_its_plugin(tmp_path: Path) -> None:
    bad = SINE.replace("cos", "sin")
    vocabulary = load(package=None, folder=written(tmp_path, mixed=HEAD + CUBE + bad))
    assert not only(vocabulary).ok
    assert "cube" not in vocabulary.ops
    assert not hasattr(Value, "cube")
    assert not hasattr(Value, "sine")


def test_name_taken_by_earlier_plugin_is_refused(tmp_path: Path) -> None:
    first, second = load(
        package=None, folder=written(tmp_path, a=HEAD + CUBE, b=HEAD + CUBE)
    ).plugins
    assert first.ok
    assert second.reason == "there is already an op cube in the plugin a; choose another name"


def test_underscored_files_are_passed_over(tmp_path: Path) -> None:
    folder = written(tmp_path, _draft="raise SystemExit", cube=HEAD + CUBE)
    (folder / "notes.txt").write_text("not a plugin")
    assert only(load(package=None, folder=folder)).ok


def test_missing_folder_is_listed(tmp_path: Path) -> None:
    status = only(load(package=None, folder=tmp_path / "nowhere"))
    assert not status.ok
    assert str(tmp_path / "nowhere") in str(status.reason)


def test_missing_package_is_listed() -> None:
    status = only(load(package="no_such_package", entry_points=False))
    assert (status.name, status.ok) == ("no_such_package", False)


def test_traceback_shows_the_plugin_alone(tmp_path: Path) -> None:
    deep = "def inner():\n    return 1 / 0\n\n\ninner()\n"
    status = only(load(package=None, folder=written(tmp_path, deep=deep)))
    assert status.reason == "ZeroDivisionError: division by zero"
    assert status.traceback is not None
    assert "line 2, in inner" in status.traceback
    assert "registry.py" not in status.traceback


def test_refusal_of_ours_has_no_traceback(tmp_path: Path) -> None:
    status = only(load(package=None, folder=written(tmp_path, a=BROKEN["gradient"][0])))
    assert status.traceback is None


def test_second_load_replaces_the_first(tmp_path: Path) -> None:
    first = load(package=None, folder=written(tmp_path / "one", p=HEAD + CUBE + SINE))
    double = CUBE.replace("x**3", "2 * x**3").replace("3 *", "6 *")
    second = load(package=None, folder=written(tmp_path / "two", p=HEAD + double))
    assert Value(1.0).cube().data == 2.0
    assert not hasattr(Value, "sine")
    assert first.op("cube")(Value(1.0)).data == 1.0
    assert first.hash != second.hash


def test_same_folder_loads_alike(tmp_path: Path) -> None:
    folder = written(tmp_path, cube=HEAD + CUBE)
    first, second = load(folder=folder), load(folder=folder)
    assert first.plugins == second.plugins
    assert first.hash == second.hash


def test_numpy_function_of_plugin_works_on_values(tmp_path: Path) -> None:
    arcsinh = 'asinh = op("asinh", np.arcsinh, lambda g, y, x: g / np.sqrt(x * x + 1))\n'
    vocabulary = load(package=None, folder=written(tmp_path, asinh=HEAD + arcsinh))
    a = Value(0.75)
    np.arcsinh(a).backward()
    assert a.grad == pytest.approx(0.8)
    assert vocabulary.by_function[np.arcsinh] is vocabulary.op("asinh")
    load()
    with pytest.raises(TypeError, match="does not work on Values"):
        np.arcsinh(a)


def test_built_in_keeps_its_numpy_function(tmp_path: Path) -> None:
    again = 'tanh2 = op("tanh2", np.tanh, lambda g, y, x: g * (1 - y * y))\n'
    vocabulary = load(package=None, folder=written(tmp_path, again=HEAD + again))
    assert vocabulary.by_function[np.tanh].name == "tanh"
    assert np.tanh(Value(1.0)).op.name == "tanh"


def test_unknown_op_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'sigmoid'") as error:
        builtins().op("sigmiod")
    assert error.value.code == "unknown_op"
    assert builtins().nearest("tnah") == "tanh"
    assert builtins().nearest("quaternion") is None


def test_vocabulary_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        builtins().ops["cube"] = OPS["tanh"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        builtins().plugins = ()  # type: ignore[misc]


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """distribution(entry="module") makes an installed distribution with these entry points."""

    def install(text: str, **entries: str) -> None:
        written(tmp_path, extra_ops=text)
        info = tmp_path / "nudge_extra-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nudge-extra\nVersion: 2.5\n")
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[nudge]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "extra_ops", raising=False)

    return install


def test_entry_point_is_admitted(distribution: Callable[..., None]) -> None:
    distribution(HEAD + CUBE, extra="extra_ops")
    status = only(load(package=None))
    assert status == PluginStatus("extra", "entry point", "2.5", True, ("cube",))


def test_entry_point_may_name_an_op(distribution: Callable[..., None]) -> None:
    distribution(HEAD + CUBE + SINE, extra="extra_ops:sine")
    assert only(load(package=None)).ops == ("sine",)


def test_broken_entry_point_is_listed(distribution: Callable[..., None]) -> None:
    distribution(HEAD + CUBE, extra="extra_ops:nothing", lost="nowhere_to_be_found")
    extra, lost = load(package=None).plugins
    assert (extra.ok, extra.version) == (False, "2.5")
    assert "nothing" in str(extra.reason)
    assert "nowhere_to_be_found" in str(lost.reason)


def test_vocabulary_hash_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Python-only ops too, whose hash is that of their bytecode."""
    cubes = "def made(n):\n    return lambda x: np.clip(x, -n, n)\n"
    clip = 'clipped = op("clipped", made(1.5), lambda g, y, x: g * (np.abs(x) < 1.5))\n'
    folder = written(tmp_path, clip=HEAD + cubes + clip)
    say = "import sys; from pathlib import Path; from engine.registry import load; "
    say += "import json; v = load(folder=Path(sys.argv[1])); "
    say += "print(json.dumps([v.hash, v.ops['clipped'].python_only]))"
    found = []
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", say, str(folder)],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )  # fmt: skip
        found.append(json.loads(run.stdout))
    assert found[0] == found[1]
    assert "clip" in found[0][1]
