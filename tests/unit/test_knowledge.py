"""Knowledge on disk, and the insights of a session."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from pathlib import Path

import pytest

from pgwarden.errors import ArgumentError, NotFoundError, WardenError
from pgwarden.knowledge import ENTRY_BYTES, Entry, Insights, Knowledge, KnowledgeError, search, with_topics
from pgwarden.knowledge import folder as folder_module
from pgwarden.knowledge import insights as insights_module
from pgwarden.knowledge import store as store_module
from pgwarden.knowledge.entry import name_of, topics_of

NOON = 1_763_726_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The directory, which is there already."""
    path = tmp_path / "home" / "knowledge"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def store(folder: Path) -> Knowledge:
    """A store whose clock stands still."""
    return Knowledge(folder, clock=lambda: NOON)


def test_what_is_saved_is_a_file_for_people(store: Knowledge, folder: Path) -> None:
    """Header, blank line, text; the owner's alone."""
    entry, replaced = store.save(
        "How orders are counted", "Cancelled ones stay.\n", ["Orders", " reporting ", "orders"]
    )
    assert (entry.name, replaced) == ("how-orders-are-counted", False)
    file = folder / "how-orders-are-counted.md"
    assert file.read_text() == (
        "---\ntitle: How orders are counted\ntopics: orders, reporting\nupdated: 2025-11-21T12:00:00Z\n---\n\n"
        "Cancelled ones stay.\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert store.get(entry.name).text == "Cancelled ones stay."
    assert entry.size == file.stat().st_size == store.get(entry.name).size


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    """Without a directory there are no entries, and looking makes none."""
    store = Knowledge(tmp_path / "home" / "knowledge")
    assert store.shelf().entries == ()
    assert store.report().data["entries"] == []
    with pytest.raises(NotFoundError):
        store.get("any")
    assert not (tmp_path / "home").exists()
    store.save("First", "x")
    assert (tmp_path / "home" / "knowledge").stat().st_mode & 0o777 == 0o700


def test_the_same_title_replaces_and_keeps_a_copy(store: Knowledge, folder: Path) -> None:
    """One entry a title, whatever its case; what a person wrote is not lost at once; their own header lines stay."""
    store.save("Orders", "one", ["a"])
    file = folder / "orders.md"
    file.write_text(file.read_text().replace("one", "by hand").replace("updated:", "author: Ann\nupdated:"))
    entry, replaced = store.save(" ORDERS ", "two")
    assert replaced
    assert entry.name == "orders"
    assert "by hand" in (folder / ".orders.md.before").read_text()
    assert "author: Ann\n---" in file.read_text()
    found = store.get("orders")
    assert (found.text, found.topics, found.extra) == ("two", (), ("author: Ann",))
    assert len(store.shelf().entries) == 1


def test_titles_that_share_a_name_do_not_replace_each_other(store: Knowledge) -> None:
    """`C` and `C++` make the same name; the second is told whose it is."""
    store.save("C", "one")
    with pytest.raises(ArgumentError) as caught:
        store.save("C++", "two")
    assert caught.value.error_code == "name_taken"
    assert "'C'" in caught.value.message
    assert store.get("c").text == "one"


@pytest.mark.parametrize(
    ("content", "title", "topics", "text"),
    [
        ("Just a note.\n", "My Notes", (), "Just a note."),
        ("\ufeff# A heading #\r\n\r\nText\r\n", "A heading", (), "# A heading #\n\nText"),
        ("title: Plain\ntopics: One,, two\n\nText", "Plain", ("one", "two"), "Text"),
        ("Title: Only a title", "Only a title", (), ""),
        ("---\ntitle: Open\n\nText without an end", "My Notes", (), "---\ntitle: Open\n\nText without an end"),
        ("---\nA sentence.\n---\nMore", "My Notes", (), "---\nA sentence.\n---\nMore"),
        ("---\ntags:\n  - a\n# b\n\ntitle: T\n---\nMore", "T", (), "More"),
        ("title: no header\nbut a sentence", "My Notes", (), "title: no header\nbut a sentence"),
        ("---\ntitle:\ntopics:\nupdated: soon\n---\nText", "My Notes", (), "Text"),
        ("---\ntitle: a\x1b[31m\u202eb\n---\nText", "a [31m b", (), "Text"),
        ("", "My Notes", (), ""),
    ],
    ids=["none", "heading", "plain", "title", "unclosed", "rules", "yaml", "sentence", "empty", "control", "nothing"],
)
def test_files_that_people_write(
    store: Knowledge, folder: Path, content: str, title: str, topics: tuple[str, ...], text: str
) -> None:
    """Any text is an entry: with our header, with a part of it, or without."""
    (folder / "My Notes.md").write_bytes(content.encode())
    os.utime(folder / "My Notes.md", (NOON, NOON))
    entry = store.get("My Notes")
    assert (entry.title, entry.topics, entry.text) == (title, topics, text)
    assert entry.updated == "2025-11-21T12:00:00Z"


def test_a_file_of_a_person_is_found_and_replaced_by_its_title(store: Knowledge, folder: Path) -> None:
    """The name of the file is theirs."""
    (folder / "My Notes.md").write_text("# Billing rules\nold")
    for name in ("My Notes", "My Notes.md", "billing RULES", "Billing  rules"):
        assert store.get(name).name == "My Notes"
    entry, replaced = store.save("Billing rules", "new")
    assert (entry.name, replaced) == ("My Notes", True)
    assert os.listdir(folder).count("billing-rules.md") == 0


def test_lines_of_others_stay_whatever_their_number(store: Knowledge, folder: Path) -> None:
    """Replacing an entry takes nothing from its header, however often."""
    lines = [f"key{number}: {number}" for number in range(200)]
    (folder / "a.md").write_text("\n".join(["---", *lines, "---", "text"]))
    for text in ("one", "two"):
        store.save("A", text)
        assert store.get("a").extra == tuple(lines)


def test_a_time_that_no_calendar_has(store: Knowledge, folder: Path) -> None:
    """One strange file keeps nobody from the others."""
    (folder / "a.md").write_text("x")
    os.utime(folder / "a.md", (-1e9, -1e9))
    assert store.get("a").updated == "1970-01-01T00:00:00Z"


def _symlink(folder: Path) -> str:
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "bad.md").symlink_to(folder.parent / "secret.txt")
    return "a symbolic link"


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "bad.md")
    return "no plain file"


def _directory(folder: Path) -> str:
    (folder / "bad.md").mkdir()
    return "no plain file"


def _binary(folder: Path) -> str:
    (folder / "bad.md").write_bytes(b"\xff\xfe\x00")
    return "not a text in UTF-8"


def _large(folder: Path) -> str:
    (folder / "bad.md").write_bytes(b"x" * (ENTRY_BYTES + 1))
    return "more than 65,536 bytes"


@pytest.mark.parametrize("make", [_symlink, _fifo, _directory, _binary, _large], ids=lambda make: make.__name__[1:])
def test_what_is_no_entry_is_left_out_and_left_alone(store: Knowledge, folder: Path, make: object) -> None:
    """It is named with the reason, keeps nobody from the others, and is neither read, replaced nor removed."""
    store.save("Good", "x")
    why = make(folder)  # type: ignore[operator]
    shelf = store.shelf()
    assert [entry.name for entry in shelf.entries] == ["good"]
    assert shelf.left_out == (f"bad.md ({why})",)
    before = os.lstat(folder / "bad.md")
    for attempt in (lambda: store.get("bad"), lambda: store.save("Bad", "x"), lambda: store.delete("bad")):
        with pytest.raises(KnowledgeError) as caught:
            attempt()
        assert caught.value.error_code == "knowledge_unreadable"
        assert why in caught.value.message
    assert os.lstat(folder / "bad.md") == before


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "..", ".", "", "a/../../secret", "secret\0", ".lock", ".good.md.before", "sub/deep"],
)
def test_no_name_leads_anywhere_else(store: Knowledge, folder: Path, name: str) -> None:
    """Only what stands in the directory itself has a name."""
    (folder.parent / "secret.md").write_text("secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "deep.md").write_text("deep")
    store.save("Good", "x")
    store.save("Good", "y")
    for attempt in (store.get, store.delete):
        with pytest.raises(NotFoundError):
            attempt(name)
    assert (folder.parent / "secret.md").exists()


def test_a_title_makes_a_file_only_here(store: Knowledge, folder: Path) -> None:
    """Dots and slashes are no part of a name."""
    entry, _ = store.save("../../etc/cron.d/x", "x")
    assert entry.name == "etc-cron-d-x"
    assert (folder / "etc-cron-d-x.md").is_file()


def test_a_linked_directory_is_refused(tmp_path: Path) -> None:
    """Nothing is read from it, nothing written to it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "knowledge").symlink_to(tmp_path / "elsewhere")
    store = Knowledge(tmp_path / "knowledge")
    for attempt in (store.shelf, lambda: store.save("A", "x")):
        with pytest.raises(KnowledgeError, match="symbolic link"):
            attempt()
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_link_in_the_place_of_the_copy_is_replaced_not_followed(store: Knowledge, folder: Path) -> None:
    """Writing goes by renaming."""
    victim = folder.parent / "victim"
    victim.write_text("mine")
    store.save("A", "one")
    (folder / ".a.md.before").symlink_to(victim)
    store.save("A", "two")
    assert victim.read_text() == "mine"
    assert "one" in (folder / ".a.md.before").read_text()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Orders & refunds (2025)", "orders-refunds-2025"),
        ("Straße", "strasse"),
        ("受注 ルール", "受注-ルール"),
        ("हिन्दी", "हिन्दी"),
        ("a_b.c", "a-b-c"),
    ],
)
def test_names(title: str, name: str) -> None:
    """Letters with their marks and digits of any script, in lower case."""
    assert name_of(title) == name


def test_long_titles_keep_names_apart(store: Knowledge) -> None:
    """What is cut off still counts, and the name fits into a file system."""
    one, _ = store.save("注" * 150 + "a", "x")
    two, _ = store.save("注" * 150 + "b", "y")
    assert one.name != two.name
    assert len(one.name.encode()) <= 120
    assert store.get("注" * 150 + "b").text == "y"


@pytest.mark.parametrize(
    ("title", "text", "topics"),
    [
        ("", "x", []),
        ("!!!", "x", []),
        ("two\nlines", "x", []),
        ("x" * 201, "x", []),
        ("esc\x1b[2J", "x", []),
        ("half \ud800", "x", []),
        ("A", " \n ", []),
        ("A", "bell\x07", []),
        ("A", "half \ud800", []),
        ("A", "x" * 65_536, []),
        ("A", "x", ["a,b"]),
        ("A", "x", [" "]),
        ("A", "x", ["y" * 51]),
        ("A", "x", [str(number) for number in range(11)]),
    ],
)
def test_what_cannot_be_kept_is_refused(
    store: Knowledge, folder: Path, title: str, text: str, topics: list[str]
) -> None:
    """With a reason and a hint, and nothing is written."""
    with pytest.raises(ArgumentError) as caught:
        store.save(title, text, topics)
    assert caught.value.hint
    assert not [name for name in os.listdir(folder) if name.endswith(".md")]


@pytest.mark.parametrize("text", ["---\ntitle: other\n---\nx", "title: other\n\nx", "---", "# h\n\n\n  indented"])
def test_a_text_cannot_pose_as_a_header(store: Knowledge, text: str) -> None:
    """Only the first lines of the file are one, and those are ours."""
    store.save("Mine", text)
    assert (store.get("mine").title, store.get("mine").text) == ("Mine", text)


def test_there_is_room_for_so_many(store: Knowledge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries and bytes are limited; replacing one needs no more room than it takes."""
    monkeypatch.setattr(store_module, "ENTRIES", 2)
    store.save("A", "x" * 100)
    store.save("B", "x" * 100)
    with pytest.raises(ArgumentError) as caught:
        store.save("C", "x")
    assert caught.value.error_code == "knowledge_full"
    monkeypatch.setattr(store_module, "TOTAL_BYTES", 400)
    store.save("A", "y" * 100)
    with pytest.raises(ArgumentError) as caught:
        store.save("A", "y" * 400)
    assert caught.value.error_code == "knowledge_full"
    assert store.get("a").text == "y" * 100
    (folder / "c.md").write_text("by hand")
    shelf = store.shelf()
    assert [entry.name for entry in shelf.entries] == ["a", "b"]
    assert shelf.left_out == ("the last 1 files by name (no more than 2 are read)",)


def test_deleting_removes_the_copy_too(store: Knowledge, folder: Path) -> None:
    """What is gone is gone."""
    store.save("A", "one")
    store.save("A", "two")
    assert store.delete("a").text == "two"
    assert os.listdir(folder) == [".lock"]
    with pytest.raises(NotFoundError):
        store.delete("a")


def test_a_near_name_is_suggested(store: Knowledge) -> None:
    """As for every wrong name."""
    store.save("Order rules", "x")
    with pytest.raises(NotFoundError) as caught:
        store.get("order-rule")
    assert caught.value.hint == "Did you mean order-rules?"


def _save_many(folder: Path, start: int) -> None:
    store = Knowledge(folder)
    for number in range(start, start + 10):
        store.save(f"Entry {number}", "x" * 1000)
        store.save("Shared", str(start) * 2000)


def test_several_processes(store: Knowledge, folder: Path) -> None:
    """Nobody's entry is lost, and nobody reads half of one."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_save_many, args=(folder, start)) for start in (100, 200, 300)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        shelf = store.shelf()
        assert shelf.left_out == ()
        texts = {entry.text for entry in shelf.entries if entry.name == "shared"}
        assert texts <= {str(start) * 2000 for start in (100, 200, 300)}
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(store.shelf().entries) == 31
    assert not [name for name in os.listdir(folder) if name.startswith(".tmp-")]


def test_a_lock_that_is_held_is_waited_for_only_so_long(
    store: Knowledge, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on; a change answers that it can be tried again."""
    monkeypatch.setattr(folder_module, "_LOCK_S", 0.05)
    store.save("A", "x")
    with (folder / ".lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert store.get("a").text == "x"
        with pytest.raises(KnowledgeError) as caught:
            store.save("A", "y")
    assert caught.value.error_code == "knowledge_busy"
    store.save("A", "y")


def test_a_failed_write_leaves_what_was(store: Knowledge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs nothing; what a killed process left goes with the next change."""
    store.save("A", "one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(KnowledgeError, match="No space left"):
            store.save("A", "two")
    assert store.get("a").text == "one"
    (folder / ".tmp-dead").write_text("half")
    store.save("A", "two")
    assert not (folder / ".tmp-dead").exists()


def entry(name: str, text: str = "", topics: tuple[str, ...] = ()) -> Entry:
    """An entry to search."""
    return Entry(name, name.replace("-", " "), topics, "2025-11-21T12:00:00Z", text)


def found(entries: list[Entry], query: str) -> list[str]:
    """The names that a search finds."""
    return [hit.entry.name for hit in search(entries, query)]


def test_ranking() -> None:
    """Title before topics before text, all words before some, whole words before beginnings before insides."""
    in_text, in_topics, in_title = entry("a", "refund"), entry("b", topics=("refund",)), entry("c-refund")
    assert found([in_text, in_topics, in_title], "Refund") == ["c-refund", "b", "a"]
    both = entry("z", "orders and their refund")
    assert found([entry("orders-orders"), both, entry("refund")], "orders refund")[0] == "z"
    assert found([entry("a", "preorder"), entry("b", "orders"), entry("c", "order")], "order") == ["c", "b", "a"]
    assert found([entry("a", "x"), entry("b", "order")], "invoice") == []
    assert found([entry("a", "受注のルール")], "ルール") == ["a"]
    assert found([entry("a", "a.b* [c"), entry("b", "axb")], "[c b*") == ["a", "b"]


def test_rare_words_count_more() -> None:
    """A word that every entry has tells little."""
    entries = [entry(f"n{number}", "table table table") for number in range(9)] + [entry("z", "table zebra")]
    assert found(entries, "table zebra")[0] == "z"
    assert found([*entries, entry("y", "zebra")], "zebra table")[:2] == ["z", "y"]


def test_the_line_that_was_found() -> None:
    """The one with most of the words; a long one is cut around them."""
    text = "First orders.\nThen orders and refunds.\nEnd."
    assert search([entry("a", text)], "orders refunds")[0].excerpt == "Then orders and refunds."
    long = search([entry("a", "x " * 500 + "needle" + " y" * 500)], "needle")[0].excerpt
    assert "needle" in long
    assert len(long) == 202
    assert long[0] == long[-1] == "…"


@pytest.mark.parametrize("query", ["", " .,!", " ".join(f"w{number}" for number in range(13))])
def test_queries_that_cannot_be_searched(query: str) -> None:
    """They have words, and not too many."""
    with pytest.raises(ArgumentError) as caught:
        search([entry("a")], query)
    assert caught.value.hint


def test_topics() -> None:
    """All of those given, in any case; an unknown one is an error with the nearest."""
    entries = [entry("a", topics=("orders", "billing")), entry("b", topics=("orders",))]
    assert [each.name for each in with_topics(entries, ["ORDERS", "billing"])] == ["a"]
    assert topics_of(["A  b", "a B"]) == ("a b",)
    with pytest.raises(NotFoundError) as caught:
        with_topics(entries, ["ordrs"])
    assert caught.value.hint == "Did you mean orders?"
    with pytest.raises(NotFoundError) as caught:
        with_topics(entries, ["zzz"])
    assert caught.value.hint == "There are: billing, orders."


def test_the_list_as_a_document(store: Knowledge, folder: Path) -> None:
    """Text and data say the same, and it counts as written by others."""
    store.save("A rule", "x", ["t"])
    (folder / "bad.md").write_bytes(b"\xff")
    report = store.report()
    assert report.untrusted
    assert report.text == "- a-rule: A rule (t), 2025-11-21T12:00:00Z\n- left out: bad.md (not a text in UTF-8)"
    assert report.data["entries"] == [
        {"name": "a-rule", "title": "A rule", "topics": ["t"], "updated": "2025-11-21T12:00:00Z"}
    ]


def test_insights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept in order, fenced when read, bounded, and refused where they are none."""
    insights = Insights(clock=lambda: NOON)
    assert insights.report().text == "No insights yet."
    assert insights.append("one\ntwo") == 1
    assert insights.append("three") == 2
    report = insights.report()
    assert report.untrusted
    assert report.text == "- one\n  two\n- three"
    assert report.data["insights"][0] == {"time": "2025-11-21T12:00:00Z", "text": "one\ntwo"}
    monkeypatch.setattr(insights_module, "INSIGHTS", 2)
    for text, code in (("", "invalid_arguments"), ("x" * 2001, "invalid_arguments"), ("more", "insights_full")):
        with pytest.raises(WardenError) as caught:
            insights.append(text)
        assert caught.value.error_code == code
        assert caught.value.hint
    assert insights.report() == report
