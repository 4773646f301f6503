"""What does the kernel say of the processor?"""

from pathlib import Path

from edgecat.machine import cpu


def test_a_machine_without_cpuinfo_is_taken_to_have_nothing(monkeypatch):
    def refuse(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert cpu.read_cpuinfo() == {}
    assert cpu.list_features({}) == []
