"""ncnn on the CPU."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgecat.bundle.manifest import Variant
from edgecat.bundle.ncnn_file import FEATURES, IMAGE, LOGITS, Interface, check_files
from edgecat.errors import EngineError
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import EngineEntry, describe_no_features, describe_no_map
from edgecat.runtime.library import importing
from edgecat.runtime.precision import FP16, FP32, Precision

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecat.photos.pixels import Pixels
    from edgecat.scores.heat import FeatureMap
    from edgecat.scores.metrics import Logits
    from edgecat.scores.ood import Features

# Of `Mat.from_pixels`: three bytes a pixel, kept in their order. Source: ncnn/src/mat.h.
_PIXEL_RGB = 1


def import_ncnn(*, power_save: bool = False) -> Any:
    """Return the library.

    Args:
        power_save: Its idle threads sleep at once. That counts only where it is imported for the
            first time in a process: OpenMP looks for the wish when it is loaded.

    Raises:
        EngineError: It is not installed.
    """
    with importing(ENTRY), _set_variable("OMP_WAIT_POLICY", "PASSIVE" if power_save else None):
        import ncnn
    return ncnn


class NcnnEngine:
    """A model in ncnn.

    Attributes:
        name: The variant's.
    """

    def __init__(self, variant: Variant, files: Sequence[bytes], resources: Resources) -> None:
        """Load a model.

        Args:
            variant: Of the engine "ncnn".
            files: The layers as text, then their numbers.
            resources: To save power, idle threads sleep at once, if this is the first model of ncnn
                in this process. Otherwise they spin for some milliseconds after each photo.

        Raises:
            EngineError: ncnn is not installed, the files are not as edgecat writes them, or the
                CPU lacks fp16.
        """
        ncnn = import_ncnn(power_save=resources.power_save)
        self.name = variant.name
        self._library, self._threads = ncnn, resources.threads
        self._is_half = variant.precision == FP16.name
        if self._is_half and not _offers(FP16):
            raise EngineError(
                f"{variant.name}: this CPU has no fp16 arithmetic; choose another --variant"
            )
        try:
            self._interface, param, file = _check_and_store(files)
            self._net: Any = self._load(param, file)
        except (ValueError, OSError) as error:
            raise EngineError(
                f"{variant.name}: ncnn {ncnn.__version__} refuses the model ({error}); export it "
                "again, or install another version"
            ) from error

    def run(self, batch: "Pixels") -> "Logits":
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB."""
        return self._answer(batch, LOGITS)[0]

    def run_with_features(self, batch: "Pixels") -> "tuple[Logits, Features]":
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`.

        Raises:
            EngineError: The model has no features.
        """
        if not self._interface.has_features:
            raise EngineError(describe_no_features(self.name))
        features, logits = self._answer(batch, FEATURES, LOGITS)
        return logits, features

    def run_with_map(self, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
        """Return logits, features and the map whose mean these are, float32 `[N, F, h, w]`.

        Raises:
            EngineError: The features are no mean of a map.
        """
        if not self._interface.map_blob:
            raise EngineError(describe_no_map(self.name, "its features are no mean"))
        blobs = (self._interface.map_blob, FEATURES, LOGITS)
        feature_map, features, logits = self._answer(batch, *blobs)
        return logits, features, feature_map

    def describe(self) -> dict[str, Any]:
        """Return version, threads and the precision: ncnn reports none of what it chose."""
        return {
            "version": self._library.__version__,
            "threads": self._threads,
            "effective_precision": (FP16 if self._is_half else FP32).name,
        }

    def close(self) -> None:
        """Give the model's memory back."""
        self._net = None

    def _load(self, param: bytes, file: int) -> Any:
        """Return the model as ncnn has it.

        Args:
            param: Its layers as text.
            file: The open file with their numbers; closed in the end.

        Raises:
            ValueError: ncnn does not take it.
        """
        net = self._library.Net()
        option = net.opt
        option.num_threads = self._threads
        # Weights and blobs of 16 bits, computed with in 32, would only add conversions.
        option.use_fp16_packed = option.use_fp16_storage = self._is_half
        option.use_fp16_arithmetic = self._is_half
        option.use_bf16_storage = option.use_vulkan_compute = False
        try:
            if net.load_param_mem(param.decode("ascii")):
                raise ValueError("its layers")
            if net.load_model(f"/proc/self/fd/{file}"):
                raise ValueError("its numbers")
        finally:
            os.close(file)
        return net

    def _answer(self, batch: "Pixels", *blobs: str) -> "list[npt.NDArray[np.float32]]":
        """Return blobs, one after the other, as float32 `[N, ...]`.

        Raises:
            EngineError: The photos are of another size than the model's.
        """
        import numpy as np

        side_px = self._interface.side_px
        if batch.shape[1:] != (side_px, side_px, 3) or batch.dtype != np.uint8:
            raise EngineError(
                f"{self.name}: takes uint8 [N, {side_px}, {side_px}, 3], got {batch.dtype}"
                f"{list(batch.shape)}"
            )
        answers = [self._answer_photo(photo, blobs) for photo in np.ascontiguousarray(batch)]
        return [np.stack(found) for found in zip(*answers, strict=True)]

    def _answer_photo(
        self, photo: "Pixels", blobs: Sequence[str]
    ) -> "list[npt.NDArray[np.float32]]":
        height, width, _ = photo.shape
        extractor = self._net.create_extractor()
        extractor.input(IMAGE, self._library.Mat.from_pixels(photo, _PIXEL_RGB, width, height))
        return [self._extract(extractor, blob) for blob in blobs]

    def _extract(self, extractor: Any, blob: str) -> "npt.NDArray[np.float32]":
        import numpy as np

        failed, found = extractor.extract(blob)
        if failed:
            raise EngineError(f"{self.name}: ncnn computes no {blob} here; export it again")
        # A copy: the blob's own memory goes with the extractor.
        return np.array(found, np.float32)


def _check_and_store(files: Sequence[bytes]) -> tuple[Interface, bytes, int]:
    """Return what a model takes, its layers as text, and an open file with their numbers.

    The file is in memory and has no name. Given bytes instead, ncnn would go on to use them when
    Python has freed them; and so these are freed before ncnn makes its own of them.

    Raises:
        ValueError: ncnn must not read the files.
    """
    param, numbers = files
    interface = check_files(param, numbers)
    file = os.memfd_create("edgecat-ncnn", os.MFD_CLOEXEC)
    with open(file, "wb", closefd=False) as target:
        target.write(numbers)
    return interface, param, file


@contextlib.contextmanager
def _set_variable(name: str, value: str | None) -> Iterator[None]:
    """Set an environment variable for a block; None to leave it as it is."""
    before = os.environ.get(name)
    if value is not None and before is None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def _offers(precision: Precision) -> bool:
    if precision is not FP16:
        return True
    return bool(import_ncnn().cpu_support_arm_asimdhp())


ENTRY = EngineEntry(
    title="ncnn",
    package="ncnn",
    requirement="edgecat[ncnn]",
    open=NcnnEngine,
    precisions=(FP32, FP16),
    offers=_offers,
    # Source: benchmarks/results/*/ncnn_pis.json.
    instruction_ratios={"aarch64": {FP32.name: 0.45, FP16.name: 0.16}},
)
