from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopy.domain.change import Change, Entry
from loopy.domain.gate import Facts, denied, evaluate, policy_digest
from loopy.domain.names import bad_name, collisions, fold, resolved
from loopy.domain.policy import ChangeLimits, PathRule, Policy, Verb
from loopy.domain.ticket import Trust

OPEN = Policy(sandbox="none")
ZERO, ONE = "0" * 40, "1" * 40


def entry(path: str, status: str = "M", **more: object) -> Entry:
    modes = {"A": ("000000", "100644"), "D": ("100644", "000000"), "M": ("100644", "100644"), "T": ("100644", "120000")}
    old, new = modes[status]
    facts = {"path": path, "status": status, "old_mode": old, "new_mode": new, "old_id": ZERO, "new_id": ONE}
    return Entry.model_validate({**facts, **more})


def facts(*entries: Entry, notes: tuple[str, ...] = (), **more: object) -> Facts:
    change = Change(base="b", tree="t", digest="d", entries=entries, notes=notes)
    return Facts.model_validate({"change": change, "sandbox_grade": "full", **more})


def rules(policy: Policy, given_facts: Facts) -> set[str]:
    return {finding.rule for finding in evaluate(policy, given_facts).findings}


def test_an_ordinary_change_is_allowed_and_says_why_its_tier_is_one() -> None:
    decision = evaluate(Policy(), facts(entry("src/app.py", added=3)))
    assert (decision.verdict, decision.tier, decision.findings) == (Verb.ALLOW, 1, ())
    assert decision.reasons == ("tier 1: changes code: src/app.py",)


def test_a_change_of_documents_has_tier_zero() -> None:
    assert evaluate(Policy(), facts(entry("docs/a.md"), entry("README.md"))).tier == 0


def test_deny_wins_over_ask_whatever_the_order_of_rules() -> None:
    one, two = PathRule(ask=("src/",)), PathRule(deny=("src/app.py",), why="frozen")
    for paths in ((one, two), (two, one)):
        decision = evaluate(Policy(paths=paths), facts(entry("src/app.py")))
        assert decision.verdict is Verb.DENY
        assert next((f.rule, f.verb, f.why) for f in decision.findings) == ("denied-path", Verb.DENY, "frozen")
    assert evaluate(Policy(paths=(one,)), facts(entry("src/app.py"))).verdict is Verb.ASK


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ([entry(f"f{n}.py") for n in range(3)], "many-files"),
        ([entry("a.py", added=11)], "many-lines"),
        ([entry("a.py", size_bytes=101)], "large-file"),
        ([entry("a.png", "A", binary=True)], "binary"),
        ([entry("a", "A", new_mode="160000")], "submodule"),
        ([entry("a", "D", old_mode="160000")], "submodule"),
        ([entry("a", "T", link_target="b")], "symlink"),
        ([entry("a", new_mode="100755")], "mode-change"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_crossing_a_limit_asks_and_staying_below_does_not(change: list[Entry], rule: str) -> None:
    tight = Policy(limits=ChangeLimits(files=2, added_lines=10, file_bytes=100, submodule=Verb.ASK))
    assert evaluate(tight, facts(*change)).verdict is Verb.ASK
    assert rule in rules(tight, facts(*change))
    lenient = ChangeLimits(
        binary=Verb.ALLOW, symlink=Verb.ALLOW, submodule=Verb.ALLOW, mode_change=Verb.ALLOW, exec_surface=Verb.ALLOW
    )
    assert evaluate(Policy(limits=lenient), facts(*change)).verdict is Verb.ALLOW


def test_a_weaker_sandbox_than_the_policy_asks_for_is_denied() -> None:
    for grade, policy, verdict in (
        ("none", Policy(), Verb.DENY),
        ("fs-only", Policy(), Verb.ALLOW),
        ("fs-only", Policy(sandbox="full"), Verb.DENY),
        ("full", Policy(sandbox="full"), Verb.ALLOW),
        ("none", OPEN, Verb.ALLOW),
    ):
        assert evaluate(policy, facts(entry("a.py"), sandbox_grade=grade)).verdict is verdict


def test_without_a_sandbox_the_tier_is_at_least_two_and_public_tickets_are_denied() -> None:
    assert evaluate(OPEN, facts(entry("README.md"), sandbox_grade="none")).tier == 2
    public = facts(entry("README.md"), sandbox_grade="none", source_trust=Trust.PUBLIC)
    assert evaluate(OPEN, public).verdict is Verb.DENY
    boxed = facts(entry("README.md"), source_trust=Trust.PUBLIC)
    assert (evaluate(Policy(), boxed).verdict, evaluate(Policy(), boxed).tier) == (Verb.ASK, 2)


@pytest.mark.parametrize(
    ("allowed", "repo", "ok"),
    [
        ("github.com/acme/*", "https://github.com/acme/shop.git", True),
        ("github.com/acme/*", "git@github.com:acme/shop", True),
        ("github.com/acme/*", "https://user:pw@GitHub.com/acme/shop/", True),
        ("github.com/acme/*", "https://github.com.evil.example/acme/shop", False),
        ("github.com/acme/*", "https://evil.example/github.com/acme/shop", False),
        ("github.com/acme/*", "https://github.com/acme/shop/../../evil/shop", False),
        ("github.com/acme/*", "https://github.com/acme", False),
        ("/srv/shop", "/srv/shop/", True),
        ("/srv/shop", "/srv/shop/../other", False),
        ("github.com/acme/*", "nonsense", False),
    ],
)
def test_a_repository_is_allowed_by_its_canonical_name_only(allowed: str, repo: str, ok: bool) -> None:
    decision = evaluate(Policy(repos=(allowed,)), facts(entry("a.md"), repo=repo))
    assert (decision.verdict is Verb.ALLOW) is ok


def test_a_note_of_an_unknown_rule_asks_and_a_path_with_brackets_is_kept_whole() -> None:
    decision = evaluate(Policy(), facts(entry("a (b)"), notes=("strange-new: x", "hard-link: a (b)")))
    assert [(f.rule, f.path, f.verb) for f in decision.findings] == [
        ("hard-link", "a (b)", Verb.DENY),
        ("strange-new", "x", Verb.ASK),
    ]


def test_many_deletions_raise_the_tier() -> None:
    assert evaluate(Policy(), facts(entry("a.py", added=10, deleted=90))).tier == 2
    assert evaluate(Policy(), facts(entry("a.py", added=90, deleted=10))).tier == 1


@pytest.mark.parametrize(
    "path", ["src/auth/login.py", "lib/crypto/aes.py", "db/migrations/1.sql", "poetry.lock", ".github/workflows/a.yml"]
)
def test_areas_where_mistakes_cost_more_have_tier_two(path: str) -> None:
    assert evaluate(Policy(), facts(entry(path))).tier == 2


def test_the_digest_of_a_policy_changes_with_every_word_and_with_nothing_else() -> None:
    assert policy_digest(Policy()) == policy_digest(Policy(name="default", turns=4))
    assert policy_digest(Policy()) != policy_digest(Policy(turns=5))
    assert len(policy_digest(Policy())) == 64


def test_names_fold_to_what_other_file_systems_see() -> None:
    assert fold("\uff29nfra/STRASSE") == fold("infra/stra\u00dfe") == "infra/strasse"
    assert fold("in\u200dfra\ufe0f") == "infra"
    assert collisions(["a/B.py"], ["a/b.py"]) == ["a/B.py"]
    assert collisions(["A/new.py"], ["a/b.py"]) == ["A/new.py"]
    assert collisions(["a/new.py"], ["a/b.py"]) == []


def test_links_resolve_within_the_tree_or_not_at_all() -> None:
    assert resolved("a/b/link", "../c") == "a/c"
    assert [resolved("a/link", target) for target in ("../..", "/etc", "", "..\\x", "../../a")] == [None] * 5


TEXT = st.text(max_size=30)


@given(path=TEXT, target=TEXT, mode=st.sampled_from(["100644", "100755", "120000", "160000", "000000"]), note=TEXT)
def test_the_gate_answers_whatever_it_is_asked(path: str, target: str, mode: str, note: str) -> None:
    odd = entry(path, "A", new_mode=mode, link_target=target)
    decision = evaluate(Policy(paths=(PathRule(deny=("infra/",)),)), facts(odd, notes=(note,), repo=path, message=note))
    assert decision.verdict is Verb.ALLOW or decision.findings
    assert isinstance(bad_name(path), str)


@given(
    st.sampled_from(["infra", "INFRA", "\uff29nfra", "in\u200bfra", "infra\ufe00", "\U000e0041infra"]), st.booleans()
)
def test_no_spelling_of_a_denied_folder_gets_through(folder: str, inside: bool) -> None:
    path = f"{folder}/x" if inside else folder
    assert evaluate(Policy(paths=(PathRule(deny=("infra/",)),)), facts(entry(path, "A"))).verdict is Verb.DENY


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("secrets/key", "denied-path"),
        ("SECRETS/key", "denied-path"),
        (".git/config", "bad-name"),
        ("a/../secrets/key", "bad-name"),
        ("conftest.py", None),
        ("src/app.py", None),
    ],
)
def test_a_path_that_would_be_denied_is_known_before_it_is_touched(path: str, rule: str | None) -> None:
    policy = Policy(paths=(PathRule(ask=("conftest.py",)), PathRule(deny=("secrets/",), why="keys")))
    found = denied(policy, path)
    assert (found.rule if found else None) == rule
