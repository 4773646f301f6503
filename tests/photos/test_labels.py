"""Names of class folders that make no label, or two that nobody can tell apart."""

import subprocess
import unicodedata

import pytest

from edgecat.errors import ConfigError, DatasetError
from edgecat.photos.folder import load_folder
from edgecat.photos.labels import check_names, check_new_label

NFC = unicodedata.normalize("NFC", "Révèr d'été")
NFD = unicodedata.normalize("NFD", NFC)


@pytest.mark.parametrize("name", [".", "..", "_.", ".._"])
def test_dots_are_no_name(name):
    with pytest.raises(DatasetError, match="no name for a class"):
        check_names([name], "data")


@pytest.mark.parametrize("name", ["Siamese ", " Siamese", "Siamese\u00a0"])
def test_a_blank_at_an_end_is_refused_with_the_command_that_mends_it(tmp_path, name):
    for folder in (name, "Bengal"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").touch()
    with pytest.raises(DatasetError, match="begins or ends with a blank") as caught:
        load_folder(tmp_path)
    mend(caught.value)
    assert {photo.label for photo in load_folder(tmp_path).photos} == {"Siamese", "Bengal"}


def mend(error):
    """Do what the message says."""
    command = "cd " + str(error).split(": cd ")[1].split("; or rename")[0]
    subprocess.run(["bash", "-c", command], check=True)


TWINS = {
    "case": ("Siamese", "siamese"),
    "a blank and _": ("Maine Coon", "Maine_Coon"),
    "two blanks": ("Maine Coon", "Maine  Coon"),
    "Unicode form": (NFC, NFD),
    "case and form": (NFC, NFD.upper()),
    "German s": ("STRASSE", "Straße"),
}


@pytest.mark.parametrize(("first", "second"), TWINS.values(), ids=TWINS)
def test_twins_in_a_folder_are_refused_with_both_names_and_the_command(tmp_path, first, second):
    for number, name in enumerate((first, second, "other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{number}.jpg").touch()
    with pytest.raises(DatasetError, match="differ only in") as caught:
        load_folder(tmp_path)
    assert first in str(caught.value)
    assert second in str(caught.value)
    mend(caught.value)
    folder = load_folder(tmp_path)
    assert len({photo.label for photo in folder.photos}) == 2
    assert len(folder.photos) == 3


def test_the_command_loses_no_photo_of_two_with_one_name(tmp_path):
    for name in ("Siamese", "siamese"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_text(name)
    with pytest.raises(DatasetError, match="differ only in") as caught:
        load_folder(tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        mend(caught.value)
    assert {path.read_text() for path in tmp_path.rglob("*.jpg")} == {"Siamese", "siamese"}


def test_in_two_splits_a_name_may_have_two_forms_but_not_two_cases(tmp_path):
    for number, path in enumerate((f"train/{NFC}", f"test/{NFD}", "train/b", "test/b")):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / f"{number}.jpg").touch()
    assert {photo.label for photo in load_folder(tmp_path).photos} == {NFC, "b"}
    (tmp_path / "test" / "b").rename(tmp_path / "test" / "B")
    with pytest.raises(DatasetError, match="'test/B' and 'train/b' differ only in") as caught:
        load_folder(tmp_path)
    mend(caught.value)
    assert {photo.label for photo in load_folder(tmp_path).photos} == {NFC, "B"}


@pytest.mark.parametrize("name", ["a\x07b", "a\x1b[2J", "\udcff"])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(DatasetError, match="printable text in UTF-8"):
        check_names([name], "data")


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("Siamese", "Siamese"),
        ("  Maine_Coon ", "Maine Coon"),
        ("neighbour's  cat", "neighbour's cat"),
        ("cafe\u0301", "café"),
        ("고양이 #1+", "고양이 #1+"),
        ("c.o.n", "c.o.n"),
    ],
)
def test_a_label_that_a_person_types_becomes_one_that_a_folder_can_have(typed, label):
    assert check_new_label(typed, ["Persian"]) == label


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        *((f"a{letter}b", "every system") for letter in '<>:"/\\|?*'),
        *((name, "device") for name in ("CON", "nul.cat", "LPT1")),
        *((name, "hidden") for name in (".", "..", ".cat", "cat.", "Thumbs.db")),
        *((text, "printable") for text in ("", "  ", "a\tb\x07", "a\u202eb")),
        *((text, "a model answers") for text in ("unknown", " Unknown", "UNKNOWN_")),
        ("x" * 256, "255 bytes"),
        ("고" * 86, "255 bytes"),
        *((text, "choose 'Café au lait'") for text in ("café au lait", "Cafe\u0301_au  lait")),
    ],
)
def test_a_label_that_can_be_no_folder_or_is_there_already_is_refused(typed, reason):
    with pytest.raises(ConfigError, match=reason):
        check_new_label(typed, ["Café au lait"])
