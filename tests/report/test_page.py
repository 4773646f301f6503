"""The page as text: nobody's label does anything in it, and nothing is loaded."""

import base64
import hashlib
import os
import re
from html.parser import HTMLParser

import pytest

from edgecat.cli.main import _run
from edgecat.report.figures import draw
from edgecat.report.svg import INKS
from tests.report.conftest import (
    EVIL_LABELS,
    random_answers,
    render,
    write_rated_bundle,
    write_results,
    write_run,
)


class Parsed(HTMLParser):
    """What a parser finds in a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, name):
        return [value for _, found, value in self.attributes if found == name]


@pytest.fixture
def evil(tmp_path):
    """A page of a model whose name and classes are attacks."""
    name = "<b onclick=alert(3)>$n$"
    bundle = write_rated_bundle(tmp_path, {"other.onnx": b"-"}, EVIL_LABELS, name=name)
    results = write_results(tmp_path / "result.json", bundle="<i>한국</i>")
    peers = write_results(tmp_path / "peers.json", bundle="</title></svg><script>")
    run = write_run(tmp_path / "run", EVIL_LABELS)
    return render([run, bundle, results, peers], random_answers(EVIL_LABELS), shows_photos=False)


def test_labels_are_text_wherever_they_stand(evil):
    parsed = Parsed(evil)
    assert {"script", "img", "i", "b"}.isdisjoint(parsed.tags)
    assert not any(name.startswith("on") for _, name, _ in parsed.attributes)
    text = "\n".join(parsed.texts)
    for label in EVIL_LABELS:
        assert label in text
    assert "49" not in EVIL_LABELS[4]


def test_the_policy_lets_only_the_pages_own_style_and_photos_in(evil):
    parsed = Parsed(evil)
    (policy,) = [value for value in parsed.values("content") if "default-src" in value]
    (style,) = re.findall("<style>(.*?)</style>", evil, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:3] == [
        "default-src 'none'", "img-src data:", f"style-src 'sha256-{digest}'"
    ]  # fmt: skip
    assert "unsafe" not in policy
    assert parsed.values("style") == []


def test_nothing_is_loaded_from_anywhere(evil):
    parsed = Parsed(evil)
    for value in [*parsed.values("src"), *parsed.values("href")]:
        assert value.startswith(("#", "data:"))
    assert "@import" not in evil
    assert all(found.startswith("#") for found in re.findall(r"url\((.*?)\)", evil))


def test_every_address_within_the_page_is_there_once(evil):
    parsed = Parsed(evil)
    ids = parsed.values("id")
    assert len(set(ids)) == len(ids)
    linked = [value[1:] for value in parsed.values("href") if value.startswith("#")]
    linked += " ".join(parsed.values("aria-labelledby")).split()
    linked += re.findall(r"url\(#(.*?)\)", evil)
    assert set(linked) <= set(ids)


def test_every_drawing_has_a_name_a_description_and_its_numbers(evil):
    figures = re.findall('<figure class="drawing">(.*?)</figure>', evil, re.DOTALL)
    assert len(figures) == 8
    for figure in figures:
        assert re.search(
            r'role="img".*?<title id=.*?>[^<]+</title><desc id=.*?>[^<]+</desc>', figure
        )
        assert "<table>" in figure


def test_a_drawing_has_the_pages_colours_and_no_styles():
    svg = draw(
        "name", "Title", "What there is", 3, lambda axes: axes.plot([1, 2], color=INKS["s1"])
    )
    assert 'class="stroke-s1"' in svg
    assert "style=" not in svg
    assert not set(re.findall("#0000[0-9a-f]{2}", svg))


@pytest.mark.parametrize("num_classes", [2, 200])
def test_a_page_of_few_or_many_classes_stays_small(tmp_path, num_classes):
    labels = tuple(f"class {number:03d}" for number in range(num_classes))
    run = write_run(tmp_path / "run", labels)
    page = render([run], random_answers(labels, 2000), shows_photos=False)
    assert len(page) < 6e6  # Source: issue 15
    assert page.count('<th scope="row">class') >= num_classes


def test_the_command_writes_the_page_and_the_card(tmp_path, capsys):
    run = write_run(tmp_path / "run")
    out, card = tmp_path / "report.html", tmp_path / "README.md"
    assert _run(["report", str(run), "--out", str(out), "--card", str(card)]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 4 sections" in said
    assert "not in it: Latency; give results: edgecat benchmark" in said
    assert out.read_text().startswith("<!doctype html>")
    assert card.read_text().startswith("---\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere", "--out", "r.html"], "nowhere: no such file"),
        (["RUN", "--out", "none/r.html"], "there is no folder none"),
        (["RUN", "--out", "."], "is a directory"),
        (["RUN", "--out", "pipe"], "no plain file"),
        (["RUN", "--out", "r.html", "--card", "pipe"], "no plain file"),
        (["RESULT", "--out", "RESULT"], "what the report is made of"),
        (["RUN", "--out", "run/run.json"], "give a name that ends in .html"),
        (["RUN", "--out", "r.html", "--card", "run/split.json"], "could be a file of the run"),
        (["RUN", "--out", "r.html", "--card", "./r.html"], "the page is of this name"),
        (["RUN", "--out", "b/r.html"], "write beside it"),
        (["RESULT", "--out", "r.html", "--data", "."], "nothing to answer them"),
        (["RUN", "--out", "r.html", "--others", "."], "needs a bundle"),
        (["RESULT", "--out", "r.html", "--card", "c.md"], "needs a run or a bundle"),
    ],
)
def test_the_command_refuses_before_it_writes(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text("{}")
    os.mkfifo(tmp_path / "pipe")  # as /dev/null is, which root could replace
    paths = {"RUN": write_run(tmp_path / "run"), "RESULT": write_results(tmp_path / "a.json")}
    assert _run(["report", *(str(paths.get(word, word)) for word in arguments)]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.rglob("r.html"))
    assert (tmp_path / "pipe").is_fifo()


def test_of_a_link_what_it_points_to_is_written(tmp_path):
    link, page = tmp_path / "page.html", tmp_path / "www.html"
    link.symlink_to(page)
    assert _run(["report", str(write_run(tmp_path / "run")), "--out", str(link)]) == 0
    assert link.is_symlink()
    assert page.read_text().startswith("<!doctype html>")


def test_names_that_are_no_unicode_are_shown_as_far_as_they_can(tmp_path):
    run = write_run(tmp_path / "r\udcff")
    assert "<h1>r?</h1>" in render([run])


def test_a_drawing_takes_any_text():
    svg = draw("name", "\uffff", "\x01", 3, lambda axes: axes.plot([1, 2], label="a\x01\ufffe"))
    assert "a\N{REPLACEMENT CHARACTER}" in svg


def test_a_full_disk_leaves_the_old_page(tmp_path, largest_file):
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    out.write_text("the old one")
    with largest_file(1000):
        assert _run(["report", str(run), "--out", str(out)]) == 13
    assert out.read_text() == "the old one"
