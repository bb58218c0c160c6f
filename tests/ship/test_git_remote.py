from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import GitError, LostError
from loopy.domain.events import StreamEvent
from loopy.git.runner import Git
from loopy.ports import Workspace
from loopy.ship.git_remote import GitRemote
from tests.workspace.support import World, commit_all, git, make_world, put

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
REF = "refs/heads/loopy/LP-1"
REMOTE = GitRemote()


@dataclass
class Hand:
    """A leash in a test's hand."""

    run_id: str = "LP-1.1"
    token: int = 1
    ours: bool = True
    reason: str | None = None
    events: list[StreamEvent] = field(default_factory=list)

    def authorised(self) -> bool:
        return self.ours

    def stopping(self) -> str | None:
        return self.reason

    def emit(self, *events: StreamEvent) -> None:
        self.events += events


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture
def bare(world: World) -> Path:
    git(world.root, "clone", "-q", "--bare", str(world.repo), str(world.root / "bare.git"))
    return world.root / "bare.git"


def shipment(world: World, target: Path | str, text: str = "x\n") -> tuple[Workspace, Effect]:
    place = world.open()
    put(place.tree, {"new.txt": text})
    commit = world.clones.commit(place, world.snapshot(place), "Add", WHEN)
    kind, state = EffectKind.PUSH, EffectState.INTENDED
    return place, Effect("LP-1.1", kind, 0, state, 1, commit, str(target), REF, "", WHEN)


@pytest.mark.parametrize("kind", ["bare", "with a work tree"])
def test_a_push_arrives_and_is_read_back(world: World, bare: Path, kind: str) -> None:
    target = bare if kind == "bare" else world.repo
    place, effect = shipment(world, target)
    assert REMOTE.look(effect, place, Hand()) == ""
    assert REMOTE.push(effect, place, Hand(), 30) == ""
    assert REMOTE.look(effect, place, Hand()) == effect.commit
    assert git(target, "rev-parse", REF) == effect.commit
    assert REMOTE.push(effect, place, Hand(), 30) == ""


def test_a_branch_that_moved_is_refused_in_words_and_left_alone(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    put(world.repo, {"other.txt": "o\n"})
    theirs = commit_all(world.repo, "theirs")
    git(world.repo, "push", "-q", str(bare), f"{theirs}:{REF}")
    assert "exists already" in REMOTE.push(effect, place, Hand(), 30)
    stale = replace(effect, expected="1" * 40)
    assert f"does not hold {'1' * 12} any more" in REMOTE.push(stale, place, Hand(), 30)
    assert REMOTE.look(effect, place, Hand()) == theirs
    assert REMOTE.push(replace(effect, expected=theirs), place, Hand(), 30) == ""
    assert REMOTE.look(effect, place, Hand()) == effect.commit


def test_a_hook_of_the_receiving_side_may_refuse_and_is_quoted(world: World, bare: Path) -> None:
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    place, effect = shipment(world, bare)
    words = REMOTE.push(effect, place, Hand(), 30)
    assert "pre-receive hook declined" in words
    assert "not on a Friday" in words
    assert REMOTE.look(effect, place, Hand()) == ""


def test_the_checked_out_branch_of_a_work_tree_is_refused_by_its_owner(world: World) -> None:
    place, effect = shipment(world, world.repo)
    words = REMOTE.push(replace(effect, ref="refs/heads/main", expected=place.base), place, Hand(), 30)
    assert "remote rejected" in words


def test_case_41_nothing_that_an_agent_configures_redirects_a_push_or_runs_with_it(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    canary, elsewhere = world.root / "canary", world.root / "elsewhere.git"
    git(world.root, "init", "-q", "--bare", str(elsewhere))
    (place.tree / ".git/hooks").mkdir()
    hook = place.tree / ".git/hooks/pre-push"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    for key, value in (
        (f"url.{elsewhere}.insteadOf", str(bare)),
        (f"url.{elsewhere}.pushInsteadOf", str(bare)),
        ("remote.origin.pushurl", str(elsewhere)),
        ("credential.helper", f"!touch {canary}"),
        ("core.hooksPath", ".git/hooks"),
    ):
        git(place.tree, "config", key, value)
    assert REMOTE.push(effect, place, Hand(), 30) == ""
    assert git(bare, "rev-parse", REF) == effect.commit
    assert git(elsewhere, "for-each-ref") == ""
    assert not canary.exists()


def test_a_target_that_cannot_be_reached_cannot_be_asked_and_raises_on_push(world: World) -> None:
    place, effect = shipment(world, world.root / "gone")
    assert REMOTE.look(effect, place, Hand()) is None
    with pytest.raises(GitError, match="gave no answer"):
        REMOTE.push(effect, place, Hand(), 30)


def slow_git(world: World) -> GitRemote:
    """A remote whose git hangs in every remote call."""
    program = world.root / "slow-git"
    program.write_text('#!/bin/sh\ncase "$*" in *push*|*ls-remote*) sleep 300 ;; *) exec git "$@" ;; esac\n')
    program.chmod(0o755)
    return GitRemote(Git(program=str(program)))


@pytest.mark.slow
def test_a_target_that_does_not_answer_in_time_is_an_error_not_a_refusal(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    with pytest.raises(GitError, match=r"did not answer within 0.5 s"):
        slow_git(world).push(effect, place, Hand(), 0.5)


@pytest.mark.slow
def test_a_lost_claim_pushes_nothing(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    with pytest.raises(LostError):
        REMOTE.push(effect, place, Hand(ours=False), 30)
    with pytest.raises(LostError):
        slow_git(world).push(effect, place, Hand(reason="lost"), 30)
    assert REMOTE.look(effect, place, Hand()) == ""


@pytest.mark.slow
def test_a_cancel_does_not_tear_a_begun_push_and_draining_ends_it(world: World, bare: Path) -> None:
    place, effect = shipment(world, bare)
    assert slow_git(world).push(effect, place, Hand(reason="draining"), 30) == ""
    assert slow_git(world).look(effect, place, Hand(reason="draining")) is None
    hook = bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nsleep 1\n")  # long enough to be asked whether to stop
    hook.chmod(0o755)
    assert REMOTE.push(effect, place, Hand(reason="cancelled"), 30) == ""
    assert REMOTE.look(effect, place, Hand(reason="cancelled")) == effect.commit


def test_a_push_works_after_the_work_tree_is_gone(world: World, bare: Path) -> None:
    from loopy.domain.ticket import RunId

    place, effect = shipment(world, bare)
    world.clones.remove(RunId("LP-1.1"))
    assert REMOTE.push(effect, place, Hand(), 30) == ""


def files_of(repo: Path, ref: str) -> Sequence[str]:
    return git(repo, "ls-tree", "-r", "--name-only", ref).splitlines()


def test_a_receipt_gets_a_ref_of_its_own_and_is_never_overwritten(world: World, bare: Path) -> None:
    place, _ = shipment(world, bare)
    receipt = {"receipt.intoto.json": b"{}", "receipt.intoto.json.sig": b"sig"}
    for _ in range(2):
        assert REMOTE.push_receipt(receipt, str(bare), place, Hand(), WHEN, 30) == ""
    ref = "refs/loopy/receipts/LP-1.1"
    assert files_of(bare, ref) == sorted(receipt)
    assert git(bare, "show", f"{ref}:receipt.intoto.json") == "{}"
    other = REMOTE.push_receipt({"receipt.intoto.json": b"{1}"}, str(bare), place, Hand(), WHEN, 30)
    assert "exists already" in other
    assert git(bare, "show", f"{ref}:receipt.intoto.json") == "{}"


@pytest.mark.parametrize("name", ["../up", "a/b", "", "."])
def test_a_receipts_file_with_a_bent_name_is_refused(world: World, bare: Path, name: str) -> None:
    place, _ = shipment(world, bare)
    with pytest.raises(GitError):
        REMOTE.push_receipt({name: b""}, str(bare), place, Hand(), WHEN, 30)


@pytest.mark.parametrize(
    "wrong", [{"ref": "--all"}, {"commit": "HEAD"}, {"expected": "main"}, {"ref": "refs/heads/a b"}]
)
def test_a_push_of_anything_but_full_ids_to_full_refs_is_refused(
    world: World, bare: Path, wrong: dict[str, str]
) -> None:
    place, effect = shipment(world, bare)
    with pytest.raises(GitError):
        REMOTE.push(replace(effect, **wrong), place, Hand(), 30)  # type: ignore[arg-type]  # only text fields
