"""The command line: what it prints, and what a script learns from its exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from serving import ROOT, environment

from engine import Component, Report, Verdict
from engine.check import Diagnosis
from service import cli
from service.verdicts import VERDICTS, findings, headline

TINY = {"steps": 40, "model": {"nin": 3, "nouts": [4, 4, 1]}}


@pytest.fixture
def nudge(monkeypatch, tmp_path):
    """nudge(*words): the result of a command, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in environment(tmp_path / "data").items():
        if name.startswith("NUDGE_"):
            monkeypatch.setenv(name, text)
    return lambda *words, stdin=None: CliRunner().invoke(cli.nudge, words, input=stdin)


def test_help_lists_every_command(nudge):
    shown = nudge("--help").output
    names = ["serve", "worker", "check", "rule", "train", "ops", "plugins", "migrate"]
    names += ["warm", "version"]
    assert list(cli.nudge.commands) == names
    assert all(f"\n  {name} " in shown for name in names)


@pytest.mark.parametrize("name", list(cli.nudge.commands))
def test_every_command_explains_itself(nudge, name):
    result = nudge(name, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3


# ---- check ----


def test_check_shows_value_and_gradients(nudge):
    result = nudge("check", "tanh(x*w + b)", "x=2", "w=-3", "b=6.88")
    assert result.exit_code == 0
    assert result.output.startswith("PASS")
    assert "the output = 0.7064193203972353" in result.output
    assert [line.split()[0] for line in result.output.splitlines()[-4:-1]] == ["x", "w", "b"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["b = a + a", "a=3", "--claim", "a=2"], 0, "PASS"),
        (["b = a + a", "a=3", "--claim", "a=1"], 1, "you say 1, the slope is 2."),
        (["relu(x)", "x=0", "--claim", "x=0.5"], 3, "NOT DIFFERENTIABLE"),
        (["log(x)", "x=0"], 3, "NON FINITE"),
        (["exp(x)", "x=1", "--claim", "x=2.7183"], 0, "PASS"),
        (["exp(x)", "x=1", "--claim", "x=2.7183", "--tolerance", "strict"], 1, "FAIL"),
        (["exp(x)", "x=1", "--claim", "x=2.8", "--tolerance", "0.1"], 0, "PASS"),
        (["sum(w*w)", "w=[1,2]", "--claim", "w=[2,5]"], 1, "w[1]: you say 5, the slope is 4."),
    ],
)
def test_check_exit_code_tells_the_verdict(nudge, words, code, said):
    result = nudge("check", *words)
    assert result.exit_code == code, result.output
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x^2", "x=2"], "1 | x^2\n     ^"),
        (["tanh(x", "x=2"], "line 1"),
        (["tahn(x)", "x=2"], "tanh"),
        (["x*w", "x=2"], "w has no value"),
        (["x", "x=2", "y=1"], "y is not an input"),
        (["x", "x=two"], "x: “two” is not a number"),
        (["x", "x=1,5"], "with a point: 1.5"),
        (["x", "2"], "write NAME=VALUE"),
        (["x", "x=1", "x=2"], "given twice"),
        (["x", "x=1", "--claim", "z=2"], "z"),
        (["x", "x=1", "--tolerance", "kind"], "kind is no tolerance"),
        (["x", "x=1", "--tolerance", "-1"], "tolerance"),
        (["x", "x=nan"], "not finite"),
        ([""], "Error"),
        (["(" * 5000, "x=1"], "Error"),
    ],
)
def test_unreadable_check_exits_with_two(nudge, words, said):
    result = nudge("check", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_check_reads_standard_input(nudge):
    result = nudge("check", "-", stdin="a = 3\nb = a + a\n")
    assert result.exit_code == 0
    assert "b = 6" in result.output


def test_check_speaks_json(nudge):
    result = nudge("check", "--json", "b = a + a", "a=3", "--claim", "a=1")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["verdict"] == "fail"
    assert report["components"][0]["claim"] == 1.0
    assert report["components"][0]["reference"] == 2.0


def test_check_json_is_what_the_api_answers(nudge, client):
    words = ["e = a*b; L = e*f", "a=2", "b=-3", "f=4", "--claim", "e=4", "--claim", "a=12"]
    printed = json.loads(nudge("check", "--json", "--sweep", "--method", "exact", *words).stdout)
    body = {
        "source": "e = a*b; L = e*f",
        "at": {"a": 2, "b": -3, "f": 4},
        "claimed": {"e": 4, "a": 12},
        "method": "exact",
        "sweep": True,
    }
    answer = client.post("/api/v1/gradchecks", json=body).json
    assert answer["diagnoses"]
    stored = {"id", "created_at", "expires_at"}
    assert printed == {name: x for name, x in answer.items() if name not in stored}


def flat(text):
    return " ".join(text.split())


def test_wrong_check_is_explained_with_the_place_marked(nudge):
    result = nudge("check", "y = tanh(x)*z", "x=0.5", "z=2", "--claim", "x=1.5")
    assert "Probably: input where the output belongs" in result.stdout
    assert "1 | y = tanh(x)*z\n        ^^^^^^^\n" in result.stdout
    assert "To mend it: tanh: 1 - y**2" in result.stdout
    assert "1 - x**2 = 0.75" in flat(result.stdout)


def test_explanations_that_fit_as_well_are_listed(nudge):
    shown = nudge("check", "b = a + a", "a=3", "--claim", "a=1").stdout
    _, _, ties = shown.partition("It could also be:")
    assert 1 <= sum(line.startswith("- ") for line in ties.splitlines()) <= 3


def test_right_check_is_not_explained(nudge):
    shown = nudge("check", "b = a + a", "a=3", "--claim", "a=2").stdout
    assert "Probably" not in shown
    assert "mend" not in shown


def test_unexplained_claim_leads_further(nudge):
    shown = nudge("check", "y = x*w", "x=0.5", "w=3", "--claim", "x=7.123").stdout
    assert "Probably" not in shown
    assert "No mistake that Nudge knows gives these numbers" in shown


def test_claims_of_intermediate_results_tell_where_it_goes_wrong_first(nudge):
    words = ["e = a*b; d = e + c; L = d*f", "a=2", "b=-3", "c=10", "f=-2"]
    claims = ["--claim=d=-2", "--claim=e=2", "--claim=a=-6", "--claim=b=4"]
    result = nudge("check", *words, *claims)
    assert result.exit_code == 1
    _, _, told = flat(result.stdout).partition("Where it goes wrong first")
    assert "equation 2, d = e + c" in told
    assert flat(result.stdout).count("fail, follows") == 2


def test_method_blackbox_says_that_it_measured(nudge):
    words = ["check", "sin(x)", "x=1", "--claim", "x=0.7"]
    assert "the measured slope is 0.5403" in nudge(*words, "--method", "blackbox").stdout
    assert "the slope is 0.5403" in nudge(*words, "--method", "exact").stdout
    assert nudge(*words, "--method", "guess").exit_code == 2


def test_rounding_shows_both_numbers(nudge):
    result = nudge("check", "(exp(x) - 1)/x", "x=1e-9")
    assert result.exit_code == 0
    assert "says -81.74037098884583, the exact slope is 0.5000" in flat(result.stdout)


def test_sweep_shows_a_row_for_each_step(nudge):
    shown = nudge("check", "exp(x)", "x=1", "--sweep").stdout
    rows = [line.split() for line in shown.splitlines() if line.lstrip()[:1].isdigit()]
    errors = {row[0]: float(row[4]) for row in rows}
    assert list(errors)[:2] == ["1", "0.1"]
    assert errors["1e-05"] < 1e-9 < min(errors["1"], errors["1e-16"])
    assert "no one exact slope" in nudge("check", "abs(x)", "x=0", "--sweep").stdout


def test_undefined_value_names_the_mistake(nudge):
    result = nudge("check", "y = log(x)*z", "x=0", "z=1")
    assert result.exit_code == 3
    assert "Logarithm of zero" in result.stdout
    assert "    log(x)" not in result.stdout
    assert "1 | y = log(x)*z\n        ^^^^^^\n" in result.stdout


def test_comparison_that_cannot_fail_is_noted(nudge):
    shown = nudge("check", "y = x*w", "x=1", "w=0", "--claim", "x=0").stdout
    assert "Note: This comparison could hardly fail" in shown


def test_every_verdict_has_words_and_an_exit_code():
    assert set(VERDICTS) == {str(verdict) for verdict in Verdict}
    assert {verdict.exit_code for verdict in VERDICTS.values() if verdict.tone == "open"} == {3}


def test_nondeterministic_expression_is_blamed_on_nobody():
    verdict = Verdict.NONDETERMINISTIC
    component = Component("x", None, 2.0, None, None, None, verdict)
    told = headline(Report(verdict, (component,), (), 1e-6, 1.0, reason="dice(x) is drawn"), True)
    assert "another value each time" in told
    assert told.endswith("dice(x) is drawn.")


def test_at_most_three_ties_are_told():
    component = Component("x", None, 1.0, 2.0, 0.0, 0.5, Verdict.FAIL)
    found = tuple(Diagnosis("ones", None, f"{k} fits", {}, 1, 1) for k in range(6))
    report = Report(Verdict.FAIL, (component,), (), 1e-6, 1.0, diagnoses=found)
    assert [f.sentence for f in findings(report)] == ["0 fits.", "1 fits.", "2 fits.", "3 fits."]


def test_mistake_that_is_on_no_shelf_is_told_by_its_code():
    component = Component("x", None, 1.0, 2.0, 0.0, 0.5, Verdict.FAIL)
    found = Diagnosis("quite_new", None, "x is off", {}, 1, 1)
    report = Report(Verdict.FAIL, (component,), (), 1e-6, 1.0, diagnoses=(found,))
    (finding,) = findings(report)
    assert (finding.heading, finding.mend) == ("Probably: quite new", None)
    assert finding.sentence == "x is off."


def test_check_json_knows_no_nan(nudge):
    report = json.loads(
        nudge("check", "--json", "log(x)", "x=0", "--claim", "x=nan").stdout,
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )
    assert report["verdict"] == "non_finite"


# ---- train ----


def test_example_config_trains_below(nudge, tmp_path):
    (tmp_path / "lecture.json").write_text(nudge("train", "--example").stdout)
    result = nudge("train", "lecture.json", "--json")
    summary = json.loads(result.stdout)
    assert result.exit_code == 0
    assert summary["steps"] == 200
    assert summary["parameters"] == 41
    assert summary["metrics"]["loss"]["last"] < 0.05


def test_train_draws_the_curve(nudge):
    result = nudge("train", "-", stdin=json.dumps(TINY))
    assert result.exit_code == 0
    assert "┤" in result.stdout
    assert any("\u2801" <= character <= "\u28ff" for character in result.stdout)
    assert "after 40 steps" in result.stdout
    assert result.stderr == ""


def test_csv_holds_every_step(nudge, tmp_path):
    nudge("train", "-", "--csv", "curve.csv", stdin=json.dumps(TINY))
    printed = nudge("train", "-", "--csv", "-", stdin=json.dumps(TINY))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "curve.csv").read_text())))
    assert printed.stdout == (tmp_path / "curve.csv").read_text()
    assert [int(row["step"]) for row in rows] == list(range(40))
    assert float(rows[0]["loss"]) > float(rows[-1]["loss"]) > 0
    assert set(rows[0]) >= {"step", "loss", "gradient_norm", "learning_rate"}


def test_diverged_training_exits_with_one(nudge):
    config = {"model": {"output_activation": "linear"}, "optimizer": {"learning_rate": 1e6}}
    result = nudge("train", "-", stdin=json.dumps({**config, "steps": 2000}))
    assert result.exit_code == 1, result.output
    assert "diverged" in result.stdout


def read_until(terminal, text):
    seen = ""
    while text not in seen:
        seen += os.read(terminal, 1000).decode(errors="replace")
    return seen


def test_terminal_shows_progress_until_interrupted(tmp_path):
    config = {
        "steps": 100_000,
        "model": {"nin": 2, "nouts": [64, 64, 1]},
        "data": {"dataset": "moons", "n": 40},
        "loss": "mean_squared_error",
        "optimizer": {"learning_rate": 1e-9},
    }
    (tmp_path / "long.json").write_text(json.dumps(config))
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "train", "long.json", "--csv", "-"],
        env={**environment(tmp_path), "TERM": "xterm", "COLUMNS": "100"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    assert "loss 1." in read_until(ours, "loss 1.")
    running.send_signal(signal.SIGINT)
    table, _ = running.communicate(timeout=20)
    assert running.returncode == 130
    assert 1 < len(table.splitlines()) < 100_000
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"steps": 0, "loss": "guess"}', "/loss"),
        ('{"steps": 0, "loss": "guess"}', "/steps"),
        ('{"steps": 1000000000}', "/steps"),
        ("[]", "/"),
        ('{"steps": NaN}', "/steps"),
    ],
)
def test_wrong_config_exits_with_two(nudge, text, said):
    result = nudge("train", "-", stdin=text)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_missing_config_is_explained(nudge):
    assert "--example" in nudge("train").stderr
    assert "nowhere.json cannot be read: no such file" in nudge("train", "nowhere.json").stderr


# ---- ops, plugins, migrate, version ----


def test_ops_lists_built_in_and_plugin(nudge):
    shown = nudge("ops").output
    assert "tanh(" in shown
    assert "silu(" in shown


def test_one_op_is_described(nudge):
    result = nudge("ops", "tanh")
    assert result.exit_code == 0
    assert "backward     g * (1 - y * y)" in result.output


def test_misspelt_op_gets_a_hint(nudge):
    result = nudge("ops", "tahn")
    assert result.exit_code == 2
    assert "did you mean tanh?" in result.stderr


def test_refused_plugin_exits_with_one(nudge, monkeypatch, tmp_path):
    assert nudge("plugins").exit_code == 0
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "broken.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.setenv("NUDGE_PLUGINS_DIR", str(folder))
    result = nudge("plugins")
    assert result.exit_code == 1
    assert "broken" in result.output
    assert "refused" in result.output
    record = {p["name"]: p for p in json.loads(nudge("plugins", "--json").stdout)}
    assert record["broken"]["ok"] is False


def test_migrate_twice_is_harmless(nudge, tmp_path):
    first, second = nudge("migrate"), nudge("migrate")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "was up to date" not in first.output
    assert "was up to date" in second.output
    assert (tmp_path / "data" / "nudge.db").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("NUDGE_DATABASE_URL", "nonsense", "cannot be read"),
        ("NUDGE_DATABASE_URL", "postgresql://127.0.0.1:1/none", "database"),
        ("NUDGE_DATA_DIR", "/proc/none", "cannot be made"),
    ],
)
def test_unusable_database_is_explained(nudge, monkeypatch, name, text, said):
    monkeypatch.setenv(name, text)
    result = nudge("migrate")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_version_names_the_parts(nudge):
    assert nudge("version").output.startswith("nudge ")
    assert set(json.loads(nudge("version", "--json").stdout)) == {"nudge", "python", "numpy"}


def test_wrong_setting_ends_every_command(nudge, monkeypatch):
    monkeypatch.setenv("NUDGE_PORT", "many")
    for words in (["serve"], ["worker"], ["migrate"], ["check", "1"], ["plugins"]):
        result = nudge(*words)
        assert result.exit_code == 2
        assert "NUDGE_PORT" in result.stderr


def test_poor_terminal_gets_no_traceback(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "service.cli", "check", "重*2", "重=1"],
        env={**environment(tmp_path), "PYTHONIOENCODING": "ascii"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "PASS" in result.stdout


def test_zero_at_a_rounded_extremum_is_explained(nudge):
    result = nudge("check", "cos(math.pi*x)", "x=1", "--claim", "x=0")
    assert result.exit_code == 0
    assert "numbers that float64 has to round" in " ".join(result.output.split())
