"""The evidence step: the pack as JSON and as a page that a reviewer reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from loopy.domain.agent import Usage
from loopy.domain.counted import counted
from loopy.domain.evidence import AttemptRecord, EvidencePack, TurnRecord
from loopy.domain.plan import Candidate, Routed
from loopy.domain.review import Review
from loopy.domain.states import Step
from loopy.domain.value import Value

NAMED = {"wanted": "a person asked for", "assigned": "the ticket names"}  # rules that look at no score
BY_LOOPY = "loopy"  # a turn of no agent: a rebase
ABSENT = (": no program `", "names no command")  # of a why-not that says: it is not installed on this machine


class Total(Value):
    """What all turns and reviews of agents consumed; a sum counts only those that report it, None means that none does."""

    turns: int
    turns_with_tokens: int
    turns_with_cost: int
    reviews: int = 0
    reviews_with_tokens: int = 0
    reviews_with_cost: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None  # millionths of a US dollar


def subject(raw_diff: str, plan_sha256: str, policy_sha256: str) -> str:
    """Return what an approval binds to: one digest over the raw diff, the plan and the policy (rule 14)."""
    return hashlib.sha256(f"loopy-approval-v1\n{raw_diff}\n{plan_sha256}\n{policy_sha256}".encode()).hexdigest()


def as_json(pack: EvidencePack) -> bytes:
    """Return the pack as JSON, with the total of what its turns and reviews consumed under `usage`."""
    said = pack.model_dump(mode="json") | {"usage": total(pack.turns).model_dump(mode="json")}
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def total(turns: Sequence[TurnRecord]) -> Total:
    """Return what the agents report of their turns and reviews, summed; a turn of Loopy's own, a rebase, is none of them."""
    said = [turn.usage for turn in turns if not _rebased(turn)]
    read = [review.usage for turn in turns if turn.report for review in turn.report.reviews]
    return Total(
        turns=len(said),
        turns_with_tokens=sum(_tokens(usage) is not None for usage in said),
        turns_with_cost=sum(usage.cost_micros is not None for usage in said),
        reviews=len(read),
        reviews_with_tokens=sum(_tokens(usage) is not None for usage in read),
        reviews_with_cost=sum(usage.cost_micros is not None for usage in read),
        input_tokens=_sum([usage.input_tokens for usage in (*said, *read)]),
        output_tokens=_sum([usage.output_tokens for usage in (*said, *read)]),
        cost_micros=_sum([usage.cost_micros for usage in (*said, *read)]),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    stated = [number for number in numbers if number is not None]
    return sum(stated) if stated else None


def _rebased(turn: TurnRecord) -> bool:
    return turn.agent == BY_LOOPY and not turn.transcript


def _tokens(usage: Usage | Total) -> int | None:
    return _sum([usage.input_tokens, usage.output_tokens])


def as_markdown(pack: EvidencePack) -> str:
    """Return the pack as a page in Markdown; agents' words are quoted as such."""
    parts = [
        f"# {pack.ticket}: {_line(pack.title)}",
        _verdict(pack),
        _sandbox(pack),
        _plan(pack),
        _route(pack),
        *(_turn(turn) for turn in pack.turns),
        _usage(pack),
        _attempts(pack),
        _change(pack),
        _approvals(pack),
        _section("Risks", pack.risks),
        _section("Open questions", pack.questions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _section(title: str, lines: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_line(line)}" for line in lines) if lines else ""


def _verdict(pack: EvidencePack) -> str:
    why = f" ({pack.reason})" if pack.reason else ""
    source = f"source {pack.source} ({pack.source_trust})"
    return f"**{pack.verdict}**{why} · run {pack.run} · {_line(pack.repo)} · {source}"


def _sandbox(pack: EvidencePack) -> str:
    if pack.sandbox_grade == "none":
        return "> **No sandbox**: the agent and the checks ran with the rights of the user who runs Loopy."
    return f"Sandbox: {pack.held.words}."


def _plan(pack: EvidencePack) -> str:
    if pack.plan is None:
        return ""
    size = f" · size {pack.size.size} ({'; '.join(pack.size.reasons)})" if pack.size else ""
    asked = "\n".join(f"- {_line(item)}" for item in pack.plan.acceptance)  # not ticked: only the checks were run
    return f"## Plan\n\n{_line(pack.plan.goal)}{size}" + (f"\n\nAsked for:\n\n{asked}" if asked else "")


def _route(pack: EvidencePack) -> str:
    if pack.route is None:
        return ""
    route = pack.route
    chosen = [c for c in route.candidates if c.agent == route.agent]
    others = [c for c in route.candidates if c.agent != route.agent]
    absent = [c for c in others if any(words in c.why_not for words in ABSENT)]
    lines = [f"- **{c.agent}**: score {c.score}{_reasons(c.reasons)}{_caveat(c)}" for c in chosen]
    lines += [_passed_over(route, chosen, c) for c in others if c not in absent]
    if absent:
        are = "is not" if len(absent) == 1 else "are not"
        lines.append(f"- {counted(len(absent), 'other agent')} {are} installed here")
    return f"## Route\n\n{route.agent} by rule “{route.rule}”: {route.route.why}\n\n" + "\n".join(lines)


def _caveat(chosen: Candidate) -> str:
    return f"; at that moment it {_line(chosen.why_not)}" if chosen.why_not else ""


def _passed_over(route: Routed, chosen: Sequence[Candidate], other: Candidate) -> str:
    """Return the line of a candidate that was not taken: why not, then what counted for it."""
    why, below = f"it {_line(other.why_not)}" if other.why_not else "", chosen[0].score - other.score if chosen else 0
    rule = route.rule.partition(":")[0]
    if not why and rule in NAMED:
        why = f"{NAMED[rule]} {route.agent}"
    elif not why:
        why = f"{below} below {route.agent}" if below > 0 else f"equal to {route.agent}, which comes first in the order"
    told = tuple(reason for reason in other.reasons if not reason.endswith(f"below {route.agent}"))
    return f"- {other.agent}: not taken: {why}; score {other.score}{_reasons(told)}"


def _reasons(reasons: Sequence[str]) -> str:
    return f" ({'; '.join(map(_line, reasons))})" if reasons else ""


def _turn(turn: TurnRecord) -> str:
    scripted = ", a scripted stand-in" if turn.scripted else ""
    change = (
        f"{counted(len(turn.change.entries), 'file')}, +{turn.change.added} −{turn.change.deleted}"
        if turn.change
        else "no change"
    )
    usage = "" if _rebased(turn) else f"\n\nUsage: {_consumed(turn.usage)}"
    lines = [f"## Turn {turn.n}: {turn.agent}{scripted}\n\nChange: {change}{usage}"]
    if turn.message:
        lines.append("> " + _line(turn.message)[:500])
    if turn.decision:
        found = [f"- {f.verb} `{f.path or '—'}` {f.rule}: {_line(f.why)}" for f in turn.decision.findings]
        lines.append(f"Gate: **{turn.decision.verdict}**, tier {turn.decision.tier}" + "".join("\n" + x for x in found))
    if turn.report:
        lines.append(
            "| check | command | exit | time |\n|---|---|---|---|\n"
            + "\n".join(
                f"| {'✓' if r.passed else '✗'} {r.name} | `{' '.join(r.argv)}` | {r.why or r.exit_code} | {r.duration_ms} ms |"
                for r in turn.report.results
            )
        )
        lines += [_review(review) for review in turn.report.reviews]
        lines += [f"Not reviewed: {_line(why)}" for why in turn.report.unreviewed]
    return "\n\n".join(lines)


def _review(review: Review) -> str:
    scripted = ", a scripted stand-in" if review.scripted else ""
    word = "approves" if review.approved else "objects"
    rows = [
        f"- {r.severity} `{r.path or '—'}{f':{r.line}' if r.line else ''}`: {_line(r.text)}" for r in review.remarks
    ]
    head = f"{review.kind.capitalize()} by {review.agent}{scripted}: **{word}** · usage: {_consumed(review.usage)}"
    return "\n".join(
        (f"{head}\n\n> {_line(review.summary)}" if review.summary else head, *([""] if rows else []), *rows)
    )


def _consumed(usage: Usage | Total) -> str:
    """Return tokens and cost as people read them; what the agent did not say is called so."""
    if _tokens(usage) is None and usage.cost_micros is None:
        return "not reported by the agent"
    tokens = [(usage.input_tokens, "in"), (usage.output_tokens, "out")]
    stated = ", ".join(f"{counted(number, 'token')} {way}" for number, way in tokens if number is not None)
    return f"{stated or 'tokens not reported'} · {_dollars(usage.cost_micros)}"


def _dollars(micros: int | None) -> str:
    if micros is None:
        return "cost not reported"
    return f"${micros / 1_000_000:,.{2 if micros >= 100_000 or not micros else 4}f}"


def _usage(pack: EvidencePack) -> str:
    """Return the sum over the turns and reviews, and what is not in it."""
    found = total(pack.turns)
    if not found.turns:
        return ""
    lines = [f"All turns{' and reviews' if found.reviews else ''}: {_consumed(found)}"]
    for what, of_turns, of_reviews in (
        ("Tokens", found.turns_with_tokens, found.reviews_with_tokens),
        ("Cost", found.turns_with_cost, found.reviews_with_cost),
    ):
        if not of_turns + of_reviews:
            continue
        for said, count, noun in ((of_turns, found.turns, "turn"), (of_reviews, found.reviews, "review")):
            if said < count:
                lines.append(f"{what} of {said} of {counted(count, noun)} only; the others did not report any.")
    stated = _tokens(found) is not None or found.cost_micros is not None
    if stated and any(a.agent and a.step == Step.CODE and not a.to_agent for a in pack.attempts):
        lines.append("What tries without an outcome consumed (below) is not in it.")
    return "## Usage and cost\n\n" + "\n".join(f"- {line}" for line in lines)


def _attempts(pack: EvidencePack) -> str:
    return _section("Attempts and failovers", tuple(_attempt(a) for a in pack.attempts))


def _attempt(tried: AttemptRecord) -> str:
    to = f" → {tried.to_agent}" if tried.to_agent else ""
    detail = f": {tried.detail}" if tried.detail else ""
    return f"turn {tried.turn}, {tried.step}: {tried.failure} on {tried.agent or '—'}{to}{detail}"


def _change(pack: EvidencePack) -> str:
    if pack.change is None or pack.change.empty:
        return ""
    lines = [f"- {e.status} `{e.path}` +{e.added} −{e.deleted}" for e in pack.change.entries]
    return f"## Files touched\n\ntree `{pack.change.tree}`, raw diff `{pack.change.digest}`\n\n" + "\n".join(lines)


def _approvals(pack: EvidencePack) -> str:
    return _section(
        "Approvals", tuple(f"{a.gate}: {a.decision} by {a.by} over {a.subject[:12]}" for a in pack.approvals)
    )
