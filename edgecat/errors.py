"""Every error that edgecat raises on purpose, and the exit code of each.

    EdgecatError                 1
    ├── ConfigError              2   an option, a recipe key, a value
    ├── DatasetError             3   a folder of labelled photos
    ├── ImageError               4   one photo
    │   └── UnsupportedImageError  17   in a format that is known, but not read here
    ├── BundleError              5   a bundle: its manifest or one of its files
    │   ├── SelfTestError       14   a bundle whose golden photos are answered otherwise here
    │   ├── SignatureError      16   a signature that is missing or wrong, or a key
    │   └── RollbackError       19   a signed bundle older than one that was used here
    ├── EngineError              6   an inference engine: not installed, or it refused
    │   └── NotFiniteError      20   a photo to which a model answers NaN or infinity
    ├── TrainError               7   fine-tuning: a run, a checkpoint, a device
    │   ├── WeightsError         8   pretrained weights: out of reach, or of another shape
    │   ├── DivergedError       18   a run that learns nothing any more: a rate is too high
    │   └── RunInUse            24   a folder that another process writes just now
    ├── ExportError              9   torch -> ONNX -> the engines' own forms
    │   ├── ParityError         10   an exported model that does not answer as the checkpoint does
    │   └── UnsupportedGraphError  21   a network that cannot be written for an engine
    ├── QuantizeError           11   INT8
    │   └── AccuracyLost        12   an INT8 model that lost more accuracy than allowed
    ├── StorageError            13   the disk: full, read-only, no permission
    ├── DeviceError             15   this machine: `edgecat doctor` found a problem
    ├── RegressError            22   a result of `edgecat compare` that is worse than allowed
    └── DriftError              23   photos that do not look like those of the training

A message says what was given, what is accepted and the command that mends it. Exit code 2 is
also what click uses for a wrong command line. As in every shell 130 is Ctrl-C, and 141 that nobody
reads the output any more (`edgecat ... | head`).
"""


class EdgecatError(Exception):
    """The root of the tree: catch this to catch all that edgecat raises on purpose."""

    exit_code = 1

    def without(self, *names: str) -> str:
        """Return the message without the name that it begins with, where that was told before.

        Args:
            names: Of what it may begin with.
        """
        message = str(self)
        for name in names:
            message = message.removeprefix(f"{name}: ")
        return message


def describe_reason(error: Exception) -> str:
    """Return what the system or a parser says is wrong, without error numbers and paths."""
    return getattr(error, "strerror", None) or str(error)


def describe_failure(error: Exception) -> str:
    """Return all that a library says went wrong, on one line: it may say the cause in the last."""
    return " ".join(str(error).split()) or type(error).__name__


class ConfigError(EdgecatError):
    """An option, a recipe key or a value that is not accepted."""

    exit_code = 2


class DatasetError(EdgecatError):
    """A folder that cannot be used as labelled photos."""

    exit_code = 3


class ImageError(EdgecatError):
    """A photo that cannot be read as one."""

    exit_code = 4


class UnsupportedImageError(ImageError):
    """A photo in a format that is known by its content, but that this machine cannot read."""

    exit_code = 17


class BundleError(EdgecatError):
    """A bundle that is missing, changed, incomplete or of another version."""

    exit_code = 5


class SelfTestError(BundleError):
    """A bundle that this machine does not answer as the one that exported it."""

    exit_code = 14


class SignatureError(BundleError):
    """A bundle that the required key did not sign, or a key that is none."""

    exit_code = 16


class RollbackError(BundleError):
    """A signed bundle that is older than one by the same owner that this device has used."""

    exit_code = 19


class EngineError(EdgecatError):
    """An inference engine that is not installed or refuses a model."""

    exit_code = 6


class NotFiniteError(EngineError):
    """A photo to which a model answers with numbers that are not finite: no answer at all."""

    exit_code = 20


class TrainError(EdgecatError):
    """A fine-tuning run that cannot start or go on."""

    exit_code = 7


class WeightsError(TrainError):
    """Pretrained weights that are out of reach or do not fit the network."""

    exit_code = 8


class DivergedError(TrainError):
    """A fine-tuning run that has gone wrong; its last good checkpoint stands.

    Its one argument is the `edgecat.train.divergence.Divergence`, whose text is the message.
    """

    exit_code = 18


class RunInUse(TrainError):
    """A folder that another process writes just now.

    Attributes:
        holder: Who: "process 123 on raspberrypi".
    """

    exit_code = 24

    def __init__(self, message: str, holder: str = "another process") -> None:
        """Say what to do, and keep who writes."""
        super().__init__(message)
        self.holder = holder


class ExportError(EdgecatError):
    """A checkpoint that could not be turned into a model file."""

    exit_code = 9


class ParityError(ExportError):
    """An exported model whose answers differ from the checkpoint's."""

    exit_code = 10


class UnsupportedGraphError(ExportError):
    """A network with an operator that is not written for an engine; others have their models."""

    exit_code = 21


class QuantizeError(EdgecatError):
    """A model that could not be quantized."""

    exit_code = 11


class AccuracyLost(QuantizeError):
    """A quantized model that lost more accuracy than allowed; its file was not kept."""

    exit_code = 12


class StorageError(EdgecatError):
    """A file that could not be written; what stood there before is untouched."""

    exit_code = 13


class DeviceError(EdgecatError):
    """A machine that is not fit to run a bundle."""

    exit_code = 15


class DriftError(EdgecatError):
    """Photos that do not look like those that a model was trained on."""

    exit_code = 23


class RegressError(EdgecatError):
    """A benchmark's result that is slower or less accurate than the one before, by too much."""

    exit_code = 22
