from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopy.domain.authority import NOTHING, load, tighten
from loopy.domain.change import Change, Entry
from loopy.domain.errors import ConfigError
from loopy.domain.gate import Facts, evaluate
from loopy.domain.policy import ChangeLimits, PathRule, Policy, Verb


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        ({"paths": [{"deny": ["!infra/"]}]}, "policy.paths.0.deny", "negates"),
        ({"paths": [{"deny": ["# infra"]}]}, "policy.paths.0.deny", "never hit"),
        ({"paths": [{"deny": [""]}]}, "policy.paths.0.deny", "never hit"),
        ({"paths": [{"ask": ["infra/ "]}]}, "policy.paths.0.ask", "never hit"),
        ({"paths": [{"why": "dead"}]}, "policy.paths.0", "denies nothing"),
        ({"paths": [{"deny": ["infra/"], "examples": {"hit": ["src/a"]}}]}, "policy.paths.0", "not hit"),
        ({"paths": [{"deny": ["*.tf"], "examples": {"miss": ["a.tf"]}}]}, "policy.paths.0", "is hit"),
        ({"pathes": []}, "policy.pathes", "not permitted"),
        ({"paths": [{"denny": ["x"]}]}, "policy.paths.0.denny", "not permitted"),
        ({"turns": 0}, "policy.turns", "greater"),
        ({"limits": {"files": -1}}, "policy.limits.files", "greater"),
        ({"sandbox": "some"}, "policy.sandbox", "Input should be"),
    ],
)
def test_a_rule_that_cannot_mean_what_it_says_is_refused_at_load(data: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(data)
    assert caught.value.where == where


def test_examples_that_hold_are_loaded() -> None:
    rule = {"deny": ["infra/", ".env*"], "examples": {"hit": ["infra", "a/.env.local"], "miss": ["docs/infra.md"]}}
    assert load({"paths": [rule]}).paths[0].deny == ("infra/", ".env*")


def test_what_the_lower_authority_does_not_say_stays_as_it_is() -> None:
    higher = Policy(sandbox="none", turns=9, network=("a:443",), approve="never", repos=("/srv/a",), budget_micros=5)
    merged = tighten(higher, Policy(name="repo"))
    assert merged == higher.model_copy(update={"name": "default+repo"})


def test_the_lower_authority_tightens_everything_it_names() -> None:
    higher = Policy(sandbox="none", turns=9, network=("a:443", "b:443"), approve="never", repos=("host/acme/*",))
    lower = Policy(
        sandbox="full", turns=3, network=("b:443", "evil:1"), approve="always", approve_run=True, budget_micros=7,
        repos=("host/acme/shop", "host/evil/x"), limits=ChangeLimits(files=5, binary=Verb.DENY),
    )  # fmt: skip
    merged = tighten(higher, lower)
    assert (merged.sandbox, merged.turns, merged.network) == ("full", 3, ("b:443",))
    assert (merged.approve, merged.approve_run, merged.budget_micros) == ("always", True, 7)
    assert merged.repos == ("host/acme/shop",)
    assert (merged.limits.files, merged.limits.binary, merged.limits.added_lines) == (5, Verb.DENY, 5000)


def test_the_lower_authority_loosens_nothing() -> None:
    higher = Policy(
        turns=2, approve="always", approve_run=True, budget_micros=3, network=("a:443",), repos=("host/a/b",),
        paths=(PathRule(deny=("infra/",)),), limits=ChangeLimits(files=1, binary=Verb.DENY),
    )  # fmt: skip
    lower = Policy(
        sandbox="none", turns=50, approve="never", approve_run=False, budget_micros=10**9, network=("a:443", "evil:1"),
        repos=("host/*/*",), paths=(PathRule(ask=("infra/",)),),
        limits=ChangeLimits(files=10**6, binary=Verb.ALLOW, symlink=Verb.ALLOW),
    )  # fmt: skip
    merged = tighten(higher, lower)
    assert merged.model_copy(update={"name": "default", "paths": higher.paths, "repos": higher.repos}) == higher
    assert merged.repos == NOTHING
    assert merged.paths[0] == higher.paths[0]


LIMITS = st.builds(
    ChangeLimits,
    files=st.integers(0, 3),
    added_lines=st.integers(0, 20),
    binary=st.sampled_from(Verb),
    symlink=st.sampled_from(Verb),
)
RULES = st.builds(
    PathRule, deny=st.lists(st.sampled_from(["a/", "*.py", "b"]), max_size=2).map(tuple), ask=st.just(("c/",))
)
POLICIES = st.builds(
    Policy,
    limits=LIMITS,
    paths=st.lists(RULES, max_size=2).map(tuple),
    sandbox=st.sampled_from(["none", "fs-only", "full"]),
)
ENTRIES = st.builds(
    Entry, path=st.sampled_from(["a/x", "b", "c/y.py", "d"]), status=st.just("A"), old_mode=st.just("000000"),
    new_mode=st.sampled_from(["100644", "120000"]), old_id=st.just("0"), new_id=st.just("1"),
    added=st.integers(0, 15), binary=st.booleans(), link_target=st.just("d"),
)  # fmt: skip
ORDER = [Verb.ALLOW, Verb.ASK, Verb.DENY]


@given(higher=POLICIES, lower=POLICIES, entries=st.lists(ENTRIES, max_size=4), grade=st.sampled_from(["none", "full"]))
def test_two_authorities_together_are_never_milder_than_either(
    higher: Policy, lower: Policy, entries: list[Entry], grade: str
) -> None:
    change = Change(base="b", tree="t", digest="d", entries=tuple(entries))
    facts = Facts.model_validate({"change": change, "sandbox_grade": grade})
    both = evaluate(tighten(higher, lower), facts)
    for alone in (evaluate(higher, facts), evaluate(lower, facts)):
        assert ORDER.index(both.verdict) >= ORDER.index(alone.verdict)
        assert both.tier >= alone.tier


def test_a_negating_rule_cannot_be_made_by_any_way() -> None:
    with pytest.raises(ValueError, match="negates"):
        PathRule(deny=("*.tf", "!main.tf"))
