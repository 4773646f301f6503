"""x86-64 without VNNI; what is none of the others is taken for it, since it asks for least."""

from edgecat.runtime.target import Target

ENTRY = Target(
    matches=lambda machine, features: True,
    priority=0,
    advice=lambda features: "without VNNI, see in the bundle's verdict whether INT8 is faster",
    family="x86",
    # Source: Intel 64 and IA-32 Architectures Software Developer's Manual, PMADDUBSW: products of
    # 8 bits are added in pairs, saturated to 16.
    saturates=True,
)
