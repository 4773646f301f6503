"""Which devices OpenVINO finds on this machine, and what a model computes in on each."""

import functools
import re
from typing import Any

from edgecat.errors import ConfigError, EngineError
from edgecat.runtime.device import Devices
from edgecat.runtime.precision import BF16, FP16, FP32, INT8_BF16, Precision

# A device of OpenVINO's, and the number of one of several. Source: openvino's docs, "Inference
# Devices and Modes".
_DEVICE = re.compile(r"(CPU|GPU|NPU)(\.\d{1,2})?")

# Modes that deal a model, or its photos, out to devices; and whether a list of these is a must.
_NEEDS_LIST = {"AUTO": False, "HETERO": True}

_ACCEPTED = "CPU, GPU, GPU.1, NPU, AUTO, AUTO:GPU,CPU and HETERO:GPU,CPU"

# What brings a device to life, where there is one. Source: openvino's docs, "Configurations for
# Intel GPU" and "for Intel NPU".
_DRIVERS = {
    "GPU": "of an Intel GPU: apt install intel-opencl-icd, and add the user to the group render",
    "NPU": "of an Intel NPU: the packages of github.com/intel/linux-npu-driver, and add the user "
    "to the group render",
}

# How OpenVINO calls what a device computes floats in.
_CAPABILITIES = {FP32: "FP32", BF16: "BF16", FP16: "FP16"}


@functools.cache
def open_core() -> Any:
    """Return OpenVINO's core, the same one as long as the process lives.

    Its CPU plugin gives the thread that loads it a stack for signals, and frees that memory with
    the core. If that happens in another thread (`serve` goes over to a new bundle in one), the next
    signal meets a stack that is gone: a SIGTERM ended the process by a segmentation fault.
    """
    import openvino

    return openvino.Core()


def check_device(name: str) -> None:
    """Refuse a device that is not known, or not there.

    Args:
        name: Such as "GPU" or "HETERO:GPU,CPU".

    Raises:
        ConfigError: It is not known.
        EngineError: It is not there, or OpenVINO is not installed.
    """
    wanted = _list_devices(name)
    there = find_devices()
    for device in wanted:
        if not any(found == device or found.startswith(f"{device}.") for found in there):
            driver = _DRIVERS.get(device.partition(".")[0], "")
            raise EngineError(
                f"--device {name}: OpenVINO finds no {device} here, only {', '.join(there)}; "
                f"choose one of these, or install the driver {driver}"
            )


def find_devices() -> dict[str, str]:
    """Return the name of each device that OpenVINO finds here, and what it is.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    from edgecat.runtime.engines.openvino import ENTRY  # which imports this file
    from edgecat.runtime.library import importing

    with importing(ENTRY, otherwise="leave --device out"):
        core = open_core()
    return {name: _name(core, name) for name in core.available_devices}


def find_floats(precision: Precision, device: str) -> Precision:
    """Return what a model computes in on a device where it is not integer: fp32, bf16 or fp16.

    A device without fp32, such as an NPU, computes float models in fp16.

    Raises:
        EngineError: The device lacks bf16, which the precision asks for.
    """
    wanted = BF16 if precision in (BF16, INT8_BF16) else FP32
    names = _list_devices(device) or open_core().available_devices
    known = [set(open_core().get_property(name, "OPTIMIZATION_CAPABILITIES")) for name in names]
    for floats in (wanted,) if wanted is BF16 else (wanted, FP16):
        if all(_CAPABILITIES[floats] in each for each in known):
            return floats
    raise EngineError(f"this {device} has no {wanted.name} arithmetic; choose another --variant")


def choose_settings(device: str, settings: dict[str, str]) -> dict[str, str]:
    """Return those of a model's settings that a device knows; a mode passes them on itself."""
    if device.partition(":")[0] in _NEEDS_LIST:
        return settings
    known = open_core().get_property(device, "SUPPORTED_PROPERTIES")
    return {name: value for name, value in settings.items() if known.get(name) == "RW"}


def _list_devices(name: str) -> list[str]:
    """Return the devices that a name lists; none for a mode that may take any.

    Raises:
        ConfigError: It is none that OpenVINO knows.
    """
    mode, colon, rest = name.partition(":")
    listed = rest.split(",") if colon else []
    if mode not in _NEEDS_LIST:
        mode, listed = "", [name]
    if (_NEEDS_LIST.get(mode) and not listed) or not all(map(_DEVICE.fullmatch, listed)):
        raise ConfigError(f"--device {name}: no device; accepted are such as {_ACCEPTED}")
    return listed


def _name(core: Any, device: str) -> str:
    try:
        return str(core.get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:  # a plugin without that property
        return device


DEVICES = Devices(check=check_device, find=find_devices, floats=find_floats)
