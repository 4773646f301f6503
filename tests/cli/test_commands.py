"""Every command: its help, its refusals, the one edge where an error becomes an exit code."""

import json
import os
import shutil
import subprocess
import sys
import types

import click
import pytest
from click.testing import CliRunner
from PIL import Image

import edgecat
from edgecat import errors
from edgecat.cli.main import BROKEN_PIPE, COMMANDS, _run, cli
from edgecat.errors import EdgecatError

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]


def run(*arguments):
    """Return exit code, standard output and standard error of a real process."""
    done = subprocess.run([*ENTRY, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def help_of(*names):
    result = CliRunner().invoke(cli, [*names, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


def all_errors():
    found = [EdgecatError]
    for cls in found:
        found += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == errors.__name__]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "cat.png"
    Image.linear_gradient("L").save(path)
    return path


# Help


def test_help_lists_every_command_with_its_line_in_the_order_of_use():
    text = " ".join(help_of().split())
    places = [text.index(f" {name} {line}") for name, line in COMMANDS.items()]
    assert places == sorted(places)
    assert "edgecat predict cats12 cat.jpg" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_that_explains_it_and_its_options(name):
    text = help_of(name)
    command = cli.get_command(click.Context(cli), name)
    assert command.short_help == COMMANDS[name]
    assert len(command.help.split()) >= 5
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert all(option in text for option in parameter.opts)


def test_a_command_of_a_group_has_help_too():
    assert "--out" in help_of("data", "oxford-cats")
    assert "--out" in help_of("bundle", "pack")
    assert "--require-signature" in help_of("bundle", "unpack")


@pytest.mark.parametrize("group", [[], ["bundle"], ["data"]])
def test_no_line_of_a_group_is_cut_off(group):
    assert "...\n" not in help_of(*group).split("Commands", 1)[1]


_DAILY = ("finetune", "export", "predict", "watch", "stream", "bundle", "keygen", "sign")


@pytest.mark.parametrize("name", _DAILY)
def test_the_commands_of_the_daily_path_show_an_example(name):
    assert f"edgecat {name} " in help_of(name).split("Options:")[0].split("\n", 1)[1]


def test_audit_names_all_weights_that_it_takes():
    assert "--weights imagenet|cats12|FILE" in help_of("audit")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_both_spellings_of_help_work(option, capsys):
    assert _run([option]) == 0
    assert "Usage: edgecat" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    assert _run(["--version"]) == 0
    assert edgecat.__version__ in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from edgecat.cli.main import _run; _run(['--help']); "
        "print(sorted({'numpy', 'PIL', 'torch', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_predict_imports_no_training_library(photo):
    script = (
        "import sys; from edgecat.cli.main import _run; "
        f"_run(['predict', 'cats12', {str(photo)!r}]); "
        "print(sorted({'torch', 'onnx', 'openvino', 'nncf', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


# A wrong command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explian"], "no such command 'explian'; did you mean 'explain'? see 'edgecat --help'\n"),
        (["bundle", "verify"], "no such command 'verify'; see 'edgecat bundle --help'\n"),
        (["predict", "--varient", "x"], "no such option"),
        (["predict"], "missing argument 'BUNDLE'; see 'edgecat predict --help'\n"),
        (["predict", "cats12"], "missing argument 'PHOTO|DIR...'"),
        (["predict", "cats12", "x.jpg", "--top", "0"], "--top"),
        (["predict", "cats12", "x.jpg", "--top", "many"], "--top"),
        (["evaluate", "cats12", "x", "--split", "train"], "'test', 'all'"),
        (["finetune", "x"], "missing option '--out' (Folder to write the run to); see 'edgecat"),
        (["inspect", "cats12", "more"], "edgecat inspect: got unexpected extra argument (more);"),
        (["inspect", "cats12", "\x1b[2J"], "argument (\\x1b[2J);"),
        (["finetune", "x", "--out", "y", "--arch", "resnet18"], "v3_small, or timm/resnet18"),
        (["finetune", "x", "--out", "y", "--seed", "1.5"], "--seed"),
        (["benchmark", "cats12", "--rounds", "9"], "--rounds"),
        (["watch", "cats12", "photos"], "missing option '--out'"),
        (["watch", "cats12", "photos", "--out", "x", "--settle", "-1"], "--settle"),
        (["watch", "cats12", "photos", "--out", "x", "--patience", "nan"], "nan is no number"),
        (["drift", "x", "--bundle", "cats12", "--days", "nan"], "nan is no number"),
        (["compare", "x", "y", "--max-drop", "nan"], "nan is no number"),
        (["stream", "cats12", "--window", "0"], "--window"),
        (["data", "imagenet"], "no such command 'imagenet'"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_says_what_is_wrong(arguments, words, capsys):
    assert _run(arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize("group", [[], ["bundle"], ["data"]])
def test_a_group_alone_shows_its_help(group, capsys):
    assert _run(group) == 2
    assert capsys.readouterr().err.startswith(" ".join(["Usage: edgecat", *group]))


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "x", "--html"],
        ["audit", "x", "--apply"],
        ["benchmark", "x", "--json"],
        ["bundle", "pack", "cats12", "--out"],
        ["edits", "x", "--json"],
        ["embed", "x", "y", "--out"],
        ["keygen", "--out"],
        ["optimize", "x", "--out", "y", "--json"],
        ["report", "x", "--card", "y", "--out"],
        ["report", "x", "--out", "y", "--card"],
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(command, tmp_path, capsys):
    (tmp_path / "folder.npy").mkdir()
    refusals = {"none/f.npy": f"there is no folder {tmp_path / 'none'}", "folder.npy": "folder.npy"}
    for name, words in refusals.items():
        assert _run([*command, str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["folder.npy"]


# The edge


@pytest.fixture
def burn(monkeypatch):
    """A command that fails with the error that it is given; returns the exit code."""

    def run_command(error):
        @click.command()
        def command():
            raise error

        module = types.ModuleType("edgecat.cli.burns")
        module.command = command
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(COMMANDS, "burns", "A command that fails.")
        return _run(["burns"])

    return run_command


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_each_error_becomes_one_line_and_its_own_exit_code(cls, burn, capsys):
    assert burn(cls("the disk is on fire; put it out")) == cls.exit_code
    assert capsys.readouterr() == ("", "error: the disk is on fire; put it out\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(40, "Too many levels", "a\x1b[2Jb"), "error: a\\x1b[2Jb: Too many levels\n"),
        (OSError("half of it came"), "error: the system: half of it came\n"),
    ],
)
def test_what_the_system_refuses_is_one_line_that_says_what(error, line, burn, capsys):
    assert burn(error) == errors.StorageError.exit_code
    assert capsys.readouterr() == ("", line)


def test_an_error_gives_a_terminal_no_commands(tmp_path, capsys):
    assert _run(["inspect", f"{tmp_path}/\x1b[2Jcats"]) == 5
    assert "/\\x1b[2Jcats: no such bundle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["inspect", "nowhere"], 5, ["nowhere: no such bundle", "cats12"]),
        (["predict", "nowhere", "x.jpg"], 5, ["nowhere: no such bundle"]),
        (["predict", "cats12", "nowhere.jpg"], 4, ["nowhere.jpg: cannot be read"]),
        (["predict", "cats12", "."], 4, ["error: .: a folder without photos; give photos"]),
        (["explain", "cats12", "."], 4, ["error: .: a folder without photos; give photos"]),
        (["embed", "cats12", ".", "--out", "f.npy"], 4, ["error: .: a folder without photos; g"]),
        (["drift", ".", "--bundle", "cats12"], 2, [".: cannot be read (Is a directory); give wh"]),
        (
            ["predict", "cats12", "x.jpg", "--variant", "onnxruntime-fp16"],
            5,
            ["no variant 'onnxruntime-fp16'", "onnxruntime-fp32, onnxruntime-int8"],
        ),
        (["predict", "cats12", "x.jpg", "--threads", "0"], 2, ["--threads 0", "at least 1"]),
        (["predict", "cats12", "x.jpg", "--threads", "9" * 30], 2, ["at most 4096"]),
        (["bundle", "pack", "nowhere", "--out", "a.zip"], 5, ["nowhere: no such bundle"]),
        (["bundle", "unpack", "no.zip", "--out", "b"], 5, ["no.zip: no such zip file"]),
        (["sign", "nowhere", "--key", "k.pem"], 5, ["nowhere: no such bundle"]),
        (["sign", "cats12", "--key", "k.pem"], 5, ["sign a copy"]),
        (["inspect", "cats12", "--require-signature", "k.pem"], 16, ["k.pem: the key cannot be"]),
        (["evaluate", "cats12", "nowhere"], 3, ["nowhere: no such folder"]),
        (["watch", "cats12", "nowhere", "--out", "x"], 2, ["nowhere: no such folder"]),
        (["watch", "cats12", __file__, "--out", "x"], 2, [f"{__file__}: a file; give the folder"]),
        (["watch", "nowhere", ".", "--out", "x"], 5, ["nowhere: no such bundle"]),
        (["benchmark", "cats12", "--threads", "0"], 2, ["--threads 0", "at least 1"]),
        (["benchmark", "cats12", "--data", "nowhere"], 3, ["nowhere: no such folder"]),
    ],
)
def test_a_refusal_is_one_line_on_standard_error(
    arguments, code, words, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert _run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["finetune", "nowhere", "--out", "r"], 3, ["nowhere: no such folder"]),
        (["finetune", ".", "--out", "r", "--set", "epoch=3"], 2, ["did you mean 'epochs'"]),
        (["finetune", ".", "--out", "r", "--epochs", "0"], 2, ["epochs must be at least 1"]),
        (["finetune", ".", "--out", "r", "--recipe", "no.toml"], 2, ["as TOML (No such file"]),
        (["finetune", ".", "--out", "r", "--device", "gpu"], 2, ["--device gpu: accepted are"]),
        (["export", "nowhere", "--out", "b"], 7, ["nowhere: no such folder; a run is what"]),
        (["export", ".", "--out", "b"], 7, [".: no run.json in it; a run is what"]),
        (["export", "r", "--out", "b", "--max-drop", "-1"], 2, ["--max-drop -1", "0 to 100"]),
        (["export", "r", "--out", "b", "--max-drop", "101"], 2, ["--max-drop 101", "0 to 100"]),
        (["export", "r", "--out", "b", "--targets", "x86"], 2, ["--targets x86", "x86-avx2"]),
        (["export", "r", "--out", "b", "--search", "slow"], 2, ["--search slow", "quick and full"]),
        (["export", "r", "--out", "b", "--search", "quick"], 2, ["--search: ", "add --int8"]),
        (["export", "r", "--out", "b", "--targets", "arm"], 2, ["--targets: ", "add --int8"]),
        (["export", "r", "--out", "b", "--allow-drop"], 2, ["--allow-drop: ", "add --int8"]),
    ],
)
def test_a_refusal_of_training_is_one_line_too(
    arguments, code, words, capsys, tmp_path, monkeypatch
):
    pytest.importorskip("torch", reason="needs torch (edgecat[train])")
    test_a_refusal_is_one_line_on_standard_error(
        arguments, code, words, capsys, tmp_path, monkeypatch
    )


def test_a_real_process_exits_with_the_errors_code_and_no_traceback():
    code, out, err = run("inspect", "nowhere")
    assert (code, out) == (5, "")
    assert err.startswith("error: nowhere: no such bundle")
    assert "Traceback" not in err


def test_a_reader_that_leaves_early_causes_a_code_of_its_own_and_no_traceback(photo):
    with subprocess.Popen(
        [*ENTRY, "predict", "cats12", *[str(photo)] * 100],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == BROKEN_PIPE
    assert "Traceback" not in err
    assert "Error" not in err


def test_inspect_shows_the_released_model(capsys):
    assert _run(["inspect", "cats12"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("cats12: mobilenet_v3_small, 12 classes: Abyssinian, Bengal, ")
    assert "test top-1" in text


def test_inspect_tells_first_things_in_a_screen_and_where_the_others_are(capsys):
    assert _run(["inspect", "cats12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    (licence,) = (line for line in lines if line.startswith("  licence: "))
    assert "Oxford-IIIT Pet" in licence
    recalls = [line for line in lines if line.startswith("  recall, lowest first: ")]
    assert len(recalls) == 2
    assert all(line.endswith(", 9 more with --json") for line in recalls)
    (rest,) = (line for line in lines if line.startswith("  with --json: "))
    assert {"recipe,", "data_sha256,", "versions,"} <= set(rest.split())
    kept = [line for line in lines if line.endswith(" s (kept)")]
    assert [line.split(":")[1] for line in kept] == [" distillation"]


@pytest.mark.parametrize("options", [[], ["--threads", "2", "--power-save"]])
def test_predict_answers_with_the_released_model(photo, capsys, options):
    assert _run(["predict", "cats12", str(photo), "--top", "12", "--json", *options]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["predictions"]
    assert len(answer["top"]) == 12
    # Twelve float64 that sum to 1, each rounded once.
    assert sum(guess["probability"] for guess in answer["top"]) == pytest.approx(1, abs=1e-6)


def test_of_a_folder_each_photo_is_answered(photo, tmp_path, capsys):
    (tmp_path / "album" / "deep").mkdir(parents=True)
    files = [tmp_path / "album" / name for name in ("a.jpg", "b.jpg", "deep/c.jpg")]
    for file in files:
        shutil.copy(photo, file)
    assert _run(["predict", "cats12", str(tmp_path / "album"), str(photo), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["predictions"]
    assert [answer["photo"] for answer in answers] == [str(file) for file in [*files, photo]]


@pytest.mark.parametrize("kind", ["missing folder", "below a file", "link to itself", "long name"])
def test_a_place_that_cannot_be_written_is_a_refusal_too(kind, tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch", reason="needs torch (edgecat[train])")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(5):
            (tmp_path / "photos" / label / f"{number}.png").touch()
    finetune = ["finetune", "photos", "--weights", "scratch", "--out"]
    arguments = {
        "missing folder": ["benchmark", "cats12", "--rounds", "10", "--json", "no/such/x.json"],
        "below a file": [*finetune, "file/r"],
        "link to itself": [*finetune, "loop"],
        "long name": ["inspect", "a" * 300],
    }[kind]
    assert _run(arguments) in {2, 5, 7, 13}
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
