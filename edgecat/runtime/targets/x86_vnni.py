"""x86-64 with VNNI or AMX: INT8 products are summed in 32 bits, at once."""

from edgecat.runtime.target import Target

_VNNI = {"avx_vnni", "avx512_vnni", "amx_int8"}

ENTRY = Target(
    matches=lambda machine, features: not _VNNI.isdisjoint(features),
    priority=1,
    advice=lambda features: "favours INT8",
    family="x86",
)
