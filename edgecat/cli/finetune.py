"""The command `edgecat finetune`."""

import contextlib
from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import list_option
from edgecat.cli.output import TerminalProgress
from edgecat.cli.training import describe_end, inherit_recipe, run_job
from edgecat.photos.conflicts import CONFLICTS
from edgecat.train.architecture import ARCHITECTURES, default_arch
from edgecat.train.edit import EDITS
from edgecat.train.inits import INITS
from edgecat.train.presets import FAST, PRESETS

_AUTO = "auto"


class _Batch(click.ParamType[int | str]):
    """Photos of a step, or "auto"."""

    name = "batch"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return a number from 2, or "auto"."""
        text, number = str(value).strip(), 0
        with contextlib.suppress(ValueError):  # such as of more digits than Python reads
            number = int(text) if text.isascii() and text.isdigit() else 0
        if text != _AUTO and number < 2:
            self.fail(f"{value!r} is neither a number of photos from 2 nor {_AUTO}", param, ctx)
        return number or text


@click.command("finetune", short_help=COMMANDS["finetune"])
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "run",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write the run to.",
)
@click.option(
    "--arch",
    metavar="|".join((*ARCHITECTURES.names, "timm/NAME")),
    default=default_arch(),
    show_default=True,
    help="Network.",
)
@click.option(
    "--from",
    "parent",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A finished run whose network learns on: on its split, by its recipe, from its teacher.",
)
@click.option(
    "--edit",
    "edits",
    multiple=True,
    metavar="|".join(EDITS.names),
    help="With --from: change its network first, to a leaner one; may be given several times.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|cats12|FILE",
    help="Pretrained weights: torchvision's of ImageNet (downloaded once), the released 12-breed "
    "model or another bundle, or a .pth or .safetensors file.",
)
@click.option(
    "--init",
    type=click.Choice(tuple(INITS)),
    default="transfer",
    show_default=True,
    help="What starts from --weights: all layers but the output layer; none; all, for the same "
    "classes; or the output layer alone. All others start from random numbers.",
)
@click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    default=FAST,
    show_default=True,
    help="; ".join(f"{name}: {preset.about}" for name, preset in PRESETS.items()) + ".",
)
@click.option(
    "--teacher",
    metavar="NAME|RUN",
    help="A bigger network that learns first and then teaches this one: one of timm's, such as "
    "tf_efficientnet_lite2, or the folder of a finished run.",
)
@click.option(
    "--teacher-weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|FILE",
    help="What a teacher by name starts from.",
)
@click.option(
    "--unlabelled",
    type=click.Path(path_type=Path),
    help="Folder of photos without labels, such as a camera's: the teacher says what they show, "
    "and the network learns from that.",
)
@click.option(
    "--add",
    "added",
    type=click.Path(path_type=Path),
    metavar="REVIEWED",
    help="Folder of kept photos: those that 'edgecat review' gave a label count, too.",
)
@click.option(
    "--tensorboard",
    "has_board",
    is_flag=True,
    help="Write what TensorBoard reads, too: tensorboard --logdir RUN.",
)
@click.option("--epochs", type=int, help="Short for --set epochs=N, and wins over it.")
@click.option(
    "--batch",
    type=_Batch(),
    metavar="N|auto",
    help="Short for --set batch_size=N; auto takes each batch in as many parts as memory needs.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Same seed, same CPU: same weights."
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to compute.",
)
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="TOML file with any of the recipe's keys; --set and --epochs win over it.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="One key of the recipe; wins over --recipe, the last of several over the others.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where a stopped run in the same folder was; after a divergence with other rates.",
)
@list_option
@click.option(
    "--skip-broken",
    is_flag=True,
    help="List broken photos and leave them out, instead of refusing.",
)
@click.option(
    "--conflicts",
    type=click.Choice(CONFLICTS),
    default="stop",
    show_default=True,
    help="The same photo, or nearly, in two classes: stop and list all, drop both, or keep both.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    parent: Path | None,
    edits: tuple[str, ...],
    preset: str,
    teacher: str | None,
    epochs: int | None,
    batch: int | str | None,
    recipe_file: Path | None,
    settings: tuple[str, ...],
    **asked: Any,  # what a job calls by the same names
) -> None:
    """Fine-tune a pretrained network on a folder of labelled photos.

    DATA has one sub-folder per class, or train/, val/ and test/ with such sub-folders (other usual
    names are understood: Training, valid, testing, ...), or is a .zip of that. Without splits,
    photos are divided into 70 % to train, 15 % to validate and 15 % to test with; the same photo,
    or nearly the same, never stands in two of them. A missing val or test is taken from train.

    First the new output layer learns alone, then everything, for 10 epochs. The weights of the
    latest epoch whose validation score is the best, but for chance, are kept; test photos are
    looked at once, at the end. A run that learns nothing any more, as with too high a rate, ends
    with exit code 18 and the rate to try.

    torchrun shares the work out to several GPUs or machines: deploy/training/README.md has how.

    Where one class has three times the photos of another, small classes are seen more often.

    With a teacher (--preset good, or --teacher), a bigger network is fine-tuned first, on the same
    photos, into RUN/teacher; then the small one learns to answer as it does, view by view. That
    takes longer. Another run may use the same teacher: --teacher RUN/teacher. It needs
    pip install 'edgecat[teacher]'.

    With --add the photos that were reviewed join those of DATA, whose split stays; a label that
    DATA lacks becomes a new class. A share of them, drawn by each photo's hash, validates and
    tests, and both kinds of test photos have a score of their own.

    With --from and --edit the network of a finished run becomes a leaner one, which answers quicker
    and nearly as well once it has learned on: "edgecat help optimize" lists the edits.

    \b
      edgecat finetune photos --out runs/first
      edgecat finetune photos --out runs/first --resume         go on after Ctrl-C
      edgecat finetune photos --out runs/good --preset good     with a teacher
      edgecat finetune photos --out runs/more --preset good --unlabelled camera
      edgecat finetune photos --out runs/next --add kept --weights first.edgecat
      edgecat finetune photos --out runs/big --batch auto       with little memory
      edgecat finetune photos --out runs/b --weights cats12 --epochs 20 --set batch_size=64
      edgecat finetune photos --out runs/clean --list clean.txt     see edgecat audit
      edgecat finetune more --out runs/c --weights runs/b/model.safetensors --init full
      edgecat finetune photos --out runs/lean --from runs/good --edit no-se --edit no-hidden-head
    """
    from edgecat.train.job import Job
    from edgecat.train.parent import inherit
    from edgecat.train.ranks import read_ranks
    from edgecat.train.recipe import describe_recipe, load_recipe

    if epochs is not None:
        settings = (*settings, f"epochs={epochs}")
    if isinstance(batch, int):
        settings = (*settings, f"batch_size={batch}")
    inherited = inherit_recipe(context, parent, edits)
    recipe = load_recipe(recipe_file, settings, preset=preset, inherited=inherited)
    job = Job(
        recipe=recipe,
        teacher=teacher or PRESETS[preset].teacher,
        fits_memory=batch == _AUTO,
        **asked,
    )
    if parent is not None:
        job = inherit(job, parent, edits)
    is_first, progress = read_ranks().is_first, TerminalProgress()
    if parent is None and is_first and (recipe_file is not None or settings or preset != FAST):
        progress.say(describe_recipe(recipe_file, settings, preset=preset))
    record = run_job(job, progress, is_first=is_first)
    if is_first:
        click.echo("\n".join(describe_end(record, job.run)))
