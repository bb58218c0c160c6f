from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from loopy.domain.errors import WorkspaceError
from loopy.domain.ticket import RunId
from loopy.workspace.folders import Folders
from loopy.workspace.mirrors import Mirrors
from tests.workspace.support import World, commit_all, git, make_repository, put


def mirrors_in(home: Path) -> Mirrors:
    return Mirrors(Folders(home / "repos", home / "work", home / "runs"))


def test_the_tip_is_the_default_branchs_newest_commit(world: World) -> None:
    head = git(world.repo, "rev-parse", "HEAD")
    tip = world.mirrors.tip(world.address)
    assert (tip.commit, tip.branch) == (head, "main")
    put(world.repo, {"new.txt": "x\n"})
    newer = commit_all(world.repo, "second")
    assert world.mirrors.tip(world.address).commit == newer


def test_a_detached_head_gives_its_commit_and_no_branch(world: World) -> None:
    git(world.repo, "checkout", "-q", "--detach")
    tip = world.mirrors.tip(world.address)
    assert (tip.commit, tip.branch) == (git(world.repo, "rev-parse", "HEAD"), "")


def test_a_bare_repository_and_a_file_url_have_a_tip(world: World, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(world.repo), str(bare))
    head = git(bare, "rev-parse", "HEAD")
    assert world.mirrors.tip(str(bare)).commit == head
    assert world.mirrors.tip(f"file://{bare}").commit == head
    assert world.mirrors.path(str(bare)) == world.mirrors.path(f"file://{bare}")


def test_a_path_through_a_link_is_the_same_repository(world: World, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(world.repo)
    assert world.mirrors.path(str(tmp_path / "alias")) == world.mirrors.path(world.address)


def test_uncommitted_changes_are_counted_and_left_out(world: World) -> None:
    put(world.repo, {"README.md": "dirty\n", "untracked.txt": "x\n"})
    tip = world.mirrors.tip(world.address)
    assert world.mirrors.uncommitted(world.address) == 2
    assert world.mirrors.read(world.address, tip.commit, "README.md") == b"# Shop\n"
    assert "untracked.txt" not in world.mirrors.files(world.address, tip.commit)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: None, "no such folder"),
        (lambda at: at.mkdir(), "cannot be read"),
        (lambda at: (at.mkdir(), git(at, "init", "-q")), "no commit"),
    ],
    ids=["missing", "not a repository", "no commits"],
)
def test_what_is_no_repository_with_commits_is_said_with_a_hint(tmp_path: Path, make: object, words: str) -> None:
    assert callable(make)
    make(tmp_path / "x")
    with pytest.raises(WorkspaceError, match=words) as caught:
        mirrors_in(tmp_path / "home").tip(str(tmp_path / "x"))
    assert caught.value.hint


@pytest.mark.parametrize("address", ["relative/path", "--upload-pack=touch x", "ext::sh -c touch% x", "ftp://h/x", ""])
def test_addresses_that_run_commands_or_name_nothing_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(WorkspaceError):
        mirrors_in(tmp_path / "home").tip(address)
    assert not (tmp_path / "x").exists()


def test_a_rewritten_branch_is_followed_and_the_old_base_stays_readable(world: World) -> None:
    old = world.mirrors.tip(world.address).commit
    git(world.repo, "commit", "-q", "--amend", "-m", "rewritten")
    new = world.mirrors.tip(world.address).commit
    assert new == git(world.repo, "rev-parse", "HEAD") != old
    assert world.mirrors.read(world.address, old, "README.md") == b"# Shop\n"


def test_files_are_read_at_the_commit_up_to_the_limit(world: World) -> None:
    commit = world.mirrors.tip(world.address).commit
    assert "src/app.py" in world.mirrors.files(world.address, commit)
    assert world.mirrors.read(world.address, commit, "README.md", limit=3) == b"# S"
    assert world.mirrors.read(world.address, commit, "no/such") is None
    assert world.mirrors.read(world.address, commit, "src") is None
    with pytest.raises(WorkspaceError):
        world.mirrors.read(world.address, "main", "README.md")


def test_grep_counts_lines_without_case_best_first(world: World) -> None:
    put(world.repo, {"a b\nc.txt": "Tax\ntax\nTAX\n", "--flag": "tax\n"})
    commit_all(world.repo, "strange names")
    commit = world.mirrors.tip(world.address).commit
    found = world.mirrors.grep(world.address, commit, ["tax", "nothing-like-it"])
    assert next(iter(found.items())) == ("a b\nc.txt", 3)
    assert found["--flag"] == 1
    assert world.mirrors.grep(world.address, commit, ["", "  "]) == {}
    assert len(world.mirrors.grep(world.address, commit, ["a"], limit=2)) == 2


def test_a_shallow_repository_can_be_worked_on(world: World, tmp_path: Path) -> None:
    for n in range(3):
        put(world.repo, {"n.txt": f"{n}\n"})
        commit_all(world.repo, f"{n}")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{world.repo}", str(shallow))
    tip = world.mirrors.tip(str(shallow))
    assert world.mirrors.read(str(shallow), tip.commit, "n.txt") == b"2\n"


def test_a_sha256_repository_can_be_worked_on(tmp_path: Path, world: World) -> None:
    at = tmp_path / "sha256"
    at.mkdir()
    git(at, "init", "-q", "--object-format=sha256", "-b", "main")
    put(at, {"a.txt": "a\n"})
    head = commit_all(at, "first")
    place = world.clones.open(RunId("LP-9.1"), str(at), world.mirrors.tip(str(at)).commit)
    put(place.tree, {"b.txt": "b\n"})
    change = world.clones.snapshot(place, 1)
    assert (len(head), [e.path for e in change.entries]) == (64, ["b.txt"])


def _tip_and_open(root: str, address: str, number: int, out: object) -> None:
    from loopy.workspace.clones import Clones

    mirrors = mirrors_in(Path(root))
    tip = mirrors.tip(address)
    place = Clones(mirrors).open(RunId(f"LP-{number}.1"), address, tip.commit)
    out.put((tip.commit, sorted(p.name for p in place.tree.iterdir())))  # type: ignore[attr-defined]  # a queue


@pytest.mark.slow
def test_processes_that_open_the_same_mirror_at_once_all_get_it(tmp_path: Path) -> None:
    make_repository(tmp_path / "shop", {f"f{n}.txt": "x\n" * n for n in range(200)})
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    arguments = (str(tmp_path / "home"), str(tmp_path / "shop"))
    workers = [context.Process(target=_tip_and_open, args=(*arguments, n, out)) for n in range(3)]
    for worker in workers:
        worker.start()
    results = [out.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert all(result == results[0] for result in results)
    assert len(results[0][1]) == 201
    assert len([p for p in (tmp_path / "home/repos").iterdir() if p.suffix == ".git"]) == 1
