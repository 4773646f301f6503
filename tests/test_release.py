"""benchmarks/release_models.py: what the package carries, small, and quick where nobody asks."""

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs edgecat[train]")

from benchmarks import release_models
from edgecat.bundle.store import load_bundle
from edgecat.runtime.choice import open_engine
from edgecat.runtime.selftest import run_self_test

pytestmark = pytest.mark.slow  # answers golden photos


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A function that releases a bundle as `cats12`, and returns it."""

    def run(bundle):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(release_models, "ASSETS", tmp_path_factory.mktemp("assets"))
            done = CliRunner().invoke(release_models.main, [str(bundle)], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return load_bundle(release_models.ASSETS / "cats12")

    return run


@pytest.fixture(scope="module")
def released(release):
    return release("cats12")


def test_what_a_device_opens_by_itself_lies_plain_and_the_rest_compressed(released):
    first = {released.spec.preferred_variants(target)[0] for target in released.spec.targets}
    assert first
    for variant in released.spec.variants:
        assert all(file.endswith(".gz") == (variant.name not in first) for file in variant.files)


def test_the_models_and_their_answers_are_those_of_the_bundle(released):
    before = load_bundle("cats12")
    assert released.spec.provenance == before.spec.provenance
    for variant in before.spec.variants:
        assert [*released.model_files(variant.name)] == [*before.model_files(variant.name)]
        run_self_test(before, open_engine(released, variant.name))


def test_a_bundle_is_the_same_bytes_however_often_it_is_released(release, released):
    assert dict(release(released.path).contents()) == dict(released.contents())
