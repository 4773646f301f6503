import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.photos.folder import load_training_folder  # noqa: E402
from edgecat.photos.input import IMAGENET  # noqa: E402
from edgecat.progress import Silent  # noqa: E402
from edgecat.train.batches import make_batches  # noqa: E402
from edgecat.train.cache import open_cache  # noqa: E402
from edgecat.train.data import split_data  # noqa: E402
from edgecat.train.job import Job  # noqa: E402
from edgecat.train.photo_store import PhotoStore  # noqa: E402
from edgecat.train.session import Session  # noqa: E402

NUM_FEW, NUM_MANY = 3, 28  # of 5 and 40 photos, those to train with


@pytest.fixture(scope="module")
def session(draw_reds, quick, tmp_path_factory):
    """Two classes of 40 photos and one of 5, each drawn equally often."""
    folder = tmp_path_factory.mktemp("unequal")
    photos = draw_reds(folder / "photos", num_per_class=(5, 40, 40))
    job = Job(photos, folder / "r", recipe=dataclasses.replace(quick, balance_ratio=1.0))
    found = load_training_folder(photos).photos
    with open_cache(folder / "pixels.cache", found, IMAGENET, Silent(), skip_broken=False) as cache:
        data = split_data(photos, cache, job)
        store = PhotoStore(data, torch.device("cpu"))
        yield Session(job.run, job.recipe, 0, data, store, Silent())


def epoch_of(session, epoch):
    batches = list(make_batches(session, epoch))
    assert all(batch.answers is None for batch in batches)
    photos, targets = ([getattr(b, name) for b in batches] for name in ("photos", "targets"))
    return torch.cat(photos).numpy(), torch.cat(targets).numpy()


def test_an_epoch_has_as_many_photos_as_there_are_and_each_class_equally_often(session):
    photos, targets = epoch_of(session, 1)
    num = NUM_FEW + 2 * NUM_MANY
    assert photos.shape == (num, 64, 64, 3)
    assert np.ptp(np.bincount(targets)) <= 1
    assert session.data.counts("train") == {
        "class 0": NUM_FEW,
        "class 1": NUM_MANY,
        "class 2": NUM_MANY,
    }


def test_a_photo_that_is_seen_again_is_seen_in_another_view(session):
    photos, targets = epoch_of(session, 1)
    few = photos[targets == 0]
    assert len(few) > 3 * NUM_FEW
    assert len(np.unique(few.reshape(len(few), -1), axis=0)) == len(few)


def test_the_same_epoch_is_the_same_and_another_one_is_not(session):
    (first, _), (again, _), (other, _) = (epoch_of(session, epoch) for epoch in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("batch_size", "num_photos", "num_steps"),
    [(2, 3, 1), (2, 7, 3), (2, 11, 5), (2, 5, 2), (2, 8, 4), (3, 7, 2), (4, 7, 2), (32, 59, 2)],
)
def test_no_step_has_a_single_photo(session, batch_size, num_photos, num_steps):
    """Only a step of one changes their number: runs under way keep theirs."""
    split, left = session.data.split, iter(range(num_photos))
    photos = [
        dataclasses.replace(one, split="out")
        if one.split == "train" and next(left, None) is None
        else one
        for one in split.photos
    ]
    data = dataclasses.replace(session.data, split=dataclasses.replace(split, photos=photos))
    recipe = dataclasses.replace(session.recipe, batch_size=batch_size)
    few = dataclasses.replace(session, data=data, recipe=recipe)
    sizes = [len(batch.targets) for batch in make_batches(few, 1)]
    assert (len(sizes), sum(sizes)) == (num_steps, num_photos)
    assert min(sizes) >= 2
