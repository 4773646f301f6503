"""Pretrained weights: where they come from, and how they get into a network.

Which layers are loaded is the init's to say (`edgecat.train.inits`): usually all but the output
layer, whose units are the new classes. A file that does not hold them, or holds others, is refused
with the names and shapes that differ.
"""

import dataclasses
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import BatchNorm2d

from edgecat.bundle.enrolled import load_enrolled
from edgecat.bundle.store import find_bundle, load_bundle, released_names
from edgecat.errors import BundleError, WeightsError
from edgecat.train import run as runs
from edgecat.train.checkpoint import READ_ERRORS
from edgecat.train.foreign import rename
from edgecat.train.inits import INITS
from edgecat.train.network import PhotoNetwork
from edgecat.train.unfold import STATISTICS_FILE, unfold_bundle
from edgecat.typed import command_line

_MAX_NAMED = 8

# torch's default of BatchNorm.
_MOMENTUM = 0.1

_READ_ERRORS = (*READ_ERRORS, SafetensorError, zipfile.BadZipFile)


@dataclasses.dataclass(frozen=True)
class LoadedWeights:
    """What a network starts from.

    Attributes:
        source: As the user named it.
        num_loaded: Tensors that came from the source.
        random: Names of the parameters that start from random numbers.
    """

    source: str
    num_loaded: int
    random: tuple[str, ...]

    def __str__(self) -> str:
        """Return the line that a run prints."""
        names = ", ".join(self.random)
        if len(self.random) > _MAX_NAMED:
            names = "all others" if self.num_loaded else "all"
        return (
            f"weights {self.source}: {self.num_loaded} tensors loaded, {len(self.random)} start "
            f"random{f' ({names})' if names else ''}"
        )


def load_weights(
    network: PhotoNetwork, arch: str, source: str, init: str = "transfer"
) -> LoadedWeights:
    """Give a network its pretrained weights.

    Args:
        network: Randomly initialised.
        arch: Its name.
        source: "imagenet", a released model or another bundle, or a file of a state_dict (.pth or
            .safetensors); not read where nothing is pretrained.
        init: Which layers are pretrained: one of `INITS`.

    Raises:
        WeightsError: Out of reach, not a state_dict, or of another shape than the network.
    """
    state: Mapping[str, Tensor] = {}
    if not INITS[init].backbone:
        _follow_statistics(network)
    if INITS[init].is_pretrained:
        state = _choose_layers(network, _read_state(network, arch, source), init)
        state = rename(state, _choose_layers(network, network.network.state_dict(), init))
        _check_fit(network, state, source, init)
        network.network.load_state_dict(dict(state), strict=False)
    random = [name for name, _ in network.network.named_parameters() if name not in state]
    return LoadedWeights(source, len(state), tuple(random))


def _follow_statistics(network: PhotoNetwork) -> None:
    """Let BatchNorm's running statistics follow the photos as fast as a short run needs it.

    Without pretrained weights they begin at mean 0 and variance 1. With MobileNetV3's momentum,
    which is for the hundreds of thousands of steps of ImageNet, 9 % of that is left after 240
    steps, more than the true variance of most maps: a network that has learned in training mode
    then answers one class to everything. Of torch's own momentum nothing is left.
    """
    for layer in network.modules():
        if isinstance(layer, BatchNorm2d) and layer.momentum is not None:
            layer.momentum = max(layer.momentum, _MOMENTUM)


def _choose_layers(
    network: PhotoNetwork, state: Mapping[str, Tensor], init: str
) -> dict[str, Tensor]:
    """Return the part of a state_dict that is pretrained."""
    output_layer = f"{network.architecture.output_layer}."
    is_taken = {False: INITS[init].backbone, True: INITS[init].output_layer}
    return {name: t for name, t in state.items() if is_taken[name.startswith(output_layer)]}


def load_labels(source: str) -> tuple[str, ...] | None:
    """Return the classes that pretrained weights were trained on; None where nothing says so.

    Args:
        source: As for `load_weights`; a bundle knows them, and so does the run of a file.

    Raises:
        BundleError: The bundle does not open.
        TrainError: The run's record does not read.
    """
    if source in released_names() or Path(source).is_dir():
        bundle = load_bundle(find_bundle(source))
        units = load_enrolled(bundle)  # of classes that the network was not trained on
        return bundle.spec.labels[: len(bundle.spec.labels) - (len(units.biases) if units else 0)]
    if Path(source).name == runs.MODEL and (Path(source).parent / runs.RECORD).exists():
        return runs.load_run(Path(source).parent).labels
    return None


def _read_state(network: PhotoNetwork, arch: str, source: str) -> Mapping[str, Tensor]:
    if source == "imagenet":
        return _fetch_pretrained(network, arch)
    if (Path(source) / runs.MODEL).is_file():
        raise WeightsError(
            f"--weights {source}: a run; give the weights in it, {Path(source) / runs.MODEL}"
        )
    if source in released_names() or Path(source).is_dir():
        try:
            bundle = load_bundle(find_bundle(source))
        except BundleError as error:
            raise WeightsError(f"--weights {error}") from error
        if bundle.spec.arch != arch:
            raise WeightsError(
                f"--weights {source}: a {bundle.spec.arch}; add --arch {bundle.spec.arch}"
            )
        if STATISTICS_FILE not in bundle.spec.files:
            raise WeightsError(f"--weights {source}: a bundle without {STATISTICS_FILE}")
        unfolded = unfold_bundle(bundle, network.network)
        _check_values(unfolded, source)
        return unfolded
    return read_state_file(Path(source))


def _fetch_pretrained(network: PhotoNetwork, arch: str) -> Mapping[str, Tensor]:
    fetch = network.architecture.fetch_pretrained
    if fetch is None:
        raise WeightsError(
            f"--weights imagenet: there are none of {arch}; give a .pth or .safetensors file, a "
            "bundle of this network, or leave --weights out and add --init scratch"
        )
    return fetch()


def read_state_file(path: Path) -> dict[str, Tensor]:
    """Read a state_dict without running any code in it.

    Args:
        path: `.safetensors`, or what `torch.save` wrote; a dict under "state_dict" or "model" and
            the prefix "module." of DataParallel are accepted.

    Raises:
        WeightsError: No such file, not a state_dict, or values that are not finite.
    """
    if not path.is_file():
        raise WeightsError(
            f"--weights {path}: no such file; give a .pth or .safetensors file, a bundle, "
            f"{', '.join(('imagenet', *released_names()))}, or start without any by --init scratch"
        )
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            _check_size(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        reason = "no pickle of tensors alone"  # torch's own words tell how to run the code
        if not isinstance(error, pickle.UnpicklingError):
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        mend = "save one with torch.save(model.state_dict(), FILE)"
        if path.suffix == ".zip":
            unpack = command_line("bundle", "unpack", path, "--out", "BUNDLE")
            mend = f"if it is a packed bundle, unpack it, and give that: {unpack}"
        raise WeightsError(
            f"--weights {path}: not a state_dict that can be read without running its code "
            f"({reason}); {mend}"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError(f"--weights {path}: not a state_dict of tensors")
    # "module." is DataParallel's prefix, "network." that of a run's model.safetensors.
    for prefix in ("module.", "network."):
        state = {str(name).removeprefix(prefix): tensor for name, tensor in state.items()}
    _check_values(state, path)
    return state


def _check_values(state: Mapping[str, Tensor], source: object) -> None:
    """Refuse weights that no network computes with.

    Raises:
        WeightsError: They are not finite, or in another form.
    """
    for name, tensor in state.items():
        if not _is_plain(tensor):
            raise WeightsError(
                f"--weights {source}: not a state_dict of plain tensors: {name} is sparse, "
                "quantized, of 8-bit floats, or holds less than its shape says; save "
                "{name: tensor.float().contiguous() for name, tensor in model.state_dict().items()}"
            )
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"--weights {source}: {name} holds NaN or infinite values")


def _check_size(path: Path) -> None:
    """Refuse a zip file that becomes larger as it is read, as none of torch's does.

    Raises:
        ValueError: It does.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
                raise ValueError("its parts are compressed")


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor holds all its values, in a form that networks here compute with.

    One that repeats a value, with stride 0, may be of any size in a file of a kilobyte.
    """
    return (
        tensor.layout is torch.strided
        and not (tensor.is_nested or tensor.is_quantized or tensor.is_meta)
        and not (tensor.is_floating_point() and tensor.itemsize < 2)
        and tensor.nbytes <= tensor.untyped_storage().nbytes()
    )


def _check_fit(network: PhotoNetwork, given: Mapping[str, Tensor], source: str, init: str) -> None:
    """Refuse weights that would leave a layer random that is to be pretrained, or do not fit.

    Raises:
        WeightsError: Names and shapes differ; they are listed.
    """
    wanted = _choose_layers(network, network.network.state_dict(), init)
    # A backbone alone is what many files hold; with the output layer, the layers before it came.
    hidden = () if INITS[init].output_layer else network.architecture.hidden_layers
    may_lack = tuple(f"{layer}." for layer in hidden)
    problems = []
    for name, tensor in wanted.items():
        shape = tuple(tensor.shape)
        if name in given and tuple(given[name].shape) != shape:
            problems.append(f"{name}: given {tuple(given[name].shape)}, the network has {shape}")
        elif name not in given and not name.startswith(may_lack):
            problems.append(f"{name}: missing, the network has {shape}")
    problems += [
        f"{name}: given {tuple(tensor.shape)}, the network has none"
        for name, tensor in given.items()
        if name not in wanted
    ]
    if problems:
        more = (
            f"\n  ... and {len(problems) - _MAX_NAMED} more" if len(problems) > _MAX_NAMED else ""
        )
        raise WeightsError(
            f"--weights {source}: does not fit the network; is --arch right? Differences:\n  "
            + "\n  ".join(problems[:_MAX_NAMED])
            + more
            + _describe_mend(network, init)
        )


def _describe_mend(network: PhotoNetwork, init: str) -> str:
    """Return what weights an init with the output layer needs; "" for the others."""
    if not INITS[init].output_layer:
        return ""
    layer = network.architecture.output_layer
    num_classes = len(network.network.state_dict()[f"{layer}.weight"])
    return (
        f"\n--init {init} takes the output layer, {layer}: give --weights RUN/{runs.MODEL} or a "
        f"bundle of as many classes as there are here, {num_classes}, or leave --init out: then "
        "the output layer starts from random numbers"
    )
