import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.folder import count_labels, find_photos
from edgecat.train.oxford import make_oxford_cats

# Name, class-id, species (1 cat, 2 dog), breed-id: as in the original's annotations/list.txt.
ROWS = """\
#Image CLASS-ID SPECIES BREED ID
#ID: 1:37 Class ids
Abyssinian_100 1 1 1
Abyssinian_101 1 1 1
Maine_Coon_1 21 1 8
american_bulldog_7 2 2 1
Siamese_3 33 1 11
"""


@pytest.fixture
def download(tmp_path):
    """A miniature of what torchvision downloads and unpacks."""
    folder = tmp_path / "cats.download" / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    rows = [row for row in ROWS.splitlines() if not row.startswith("#")]
    for number, row in enumerate(rows):
        Image.new("RGB", (32, 24), (9 * number, 80, 40)).save(
            folder / "images" / f"{row.split()[0]}.jpg"
        )
    (folder / "annotations" / "list.txt").write_text(ROWS)
    (folder / "annotations" / "trainval.txt").write_text("\n".join(rows) + "\n")
    return folder


def test_cats_get_a_folder_per_breed_and_dogs_none(download, tmp_path):
    assert make_oxford_cats(tmp_path / "cats") == 4
    counts = count_labels(find_photos(tmp_path / "cats"))
    assert counts == {"Abyssinian": 2, "Maine Coon": 1, "Siamese": 1}


def test_photos_are_copied_bit_for_bit_and_the_download_stays(download, tmp_path):
    make_oxford_cats(tmp_path / "cats")
    for path in (tmp_path / "cats").rglob("*.jpg"):
        assert path.read_bytes() == (download / "images" / path.name).read_bytes()


def test_a_folder_that_exists_is_refused_and_left_alone(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(DatasetError, match="exists; give --out another name"):
        make_oxford_cats(tmp_path / "cats")
    assert list(tmp_path.iterdir()) == [tmp_path / "cats"]


def test_without_network_the_way_out_is_named_and_no_data_set_is_left(tmp_path, monkeypatch):
    # Port 9 of this machine: nobody answers there, on any machine, at once.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(DatasetError) as refused:
        make_oxford_cats(tmp_path / "cats")
    assert "images.tar.gz" in str(refused.value)
    assert str(tmp_path / "cats.download" / "oxford-iiit-pet") in str(refused.value)
    assert not (tmp_path / "cats").exists()
