"""The plan step: what is to be done, where, and how it will be known to be done; without a model by default."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from loopy.domain.detect import detect
from loopy.domain.detected import Detected
from loopy.domain.errors import ConfigError
from loopy.domain.likely import DOCS, likely_files, unknown_paths
from loopy.domain.plan import Plan
from loopy.domain.project import FILE, ProjectConfig, parse_project
from loopy.domain.request import Request, prose, read_request
from loopy.domain.risks import risks_of
from loopy.domain.ticket import Ticket
from loopy.domain.words import Words, words_of
from loopy.ports import Planner, Repositories, Tip

SEARCHES, WEAK_SEARCHES = 6, 3  # one look at the whole tree each, about 10 ms in a repository of some hundred files
FEW_WORDS = 8
VAGUE = re.compile(
    r"^(?:please )?(?:fix|improve|clean ?up|refactor|update|make|optimi[sz]e|polish|modernize|enhance)\b"
    r"(?: (?:it|this|that|the|code|codebase|everything|stuff|things|performance|ui|ux|app|better|faster|nicer|a bit|up|bugs?))*\W*$",
    re.IGNORECASE,
)


def plan(ticket: Ticket, repositories: Repositories, planner: Planner, lessons: Sequence[str] = ()) -> Plan:
    """Return the ticket's plan on the freshly fetched tip; base and target are what Loopy saw, whoever planned.

    Raises ConfigError for a ticket without a repository or a broken `loopy.toml` at the tip, WorkspaceError for a
    repository that cannot be fetched.
    """
    if not ticket.repo:
        raise ConfigError(
            f"{ticket.id}.repo", "the ticket names no repository", hint="say which one: --repo PATH-OR-URL"
        )
    tip = repositories.tip(ticket.repo)
    drafted = planner.plan(ticket, ticket.repo, tip, lessons)
    return drafted.model_copy(update={"base": tip.commit, "target": drafted.target or tip.branch})


class HeuristicPlanner:
    """The `Planner` that needs no model: it reads the ticket, searches the tree and looks at the manifests.

    `operator` gives what the operator says about a repository, `has` knows the programs of this machine.
    """

    def __init__(
        self,
        repositories: Repositories,
        operator: Callable[[str], ProjectConfig | None] = lambda _: None,
        has: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._repositories, self._operator, self._has = repositories, operator, has

    def plan(self, ticket: Ticket, repo: str, tip: Tip, lessons: Sequence[str]) -> Plan:
        """Return a plan for the ticket on this tip."""
        # a name that cannot be shown cannot stand in a plan
        files = [path for path in self._repositories.files(repo, tip.commit) if path.isprintable()]
        project = self._project(repo, tip, files)
        found = self._checks(project, repo, tip, files)
        words = words_of(ticket.title, ticket.body)
        request = read_request(ticket.title, ticket.body)
        docs = "docs" in ticket.labels or DOCS.search(ticket.title) is not None
        missing = unknown_paths(files, words_of(ticket.title, prose(ticket.body)).paths)
        likely = likely_files(files, words, self._search(repo, tip, words), docs=docs)
        return Plan(
            planner="heuristic",
            base=tip.commit,
            target=project.target or tip.branch,
            goal=ticket.title,
            acceptance=request.acceptance,
            files=likely,
            checks=found.checks,
            setup=found.setup,
            risks=(*risks_of(ticket.text, likely), *_risks_of_checks(found, project, tip)),
            questions=tuple(_questions(ticket, request, missing, likely)),
            lessons=tuple(lessons),
        )

    def _project(self, repo: str, tip: Tip, files: Sequence[str]) -> ProjectConfig:
        text = (self._repositories.read(repo, tip.commit, FILE) or b"") if FILE in files else b""
        where = f"{FILE} at {tip.commit[:12]}"
        return parse_project(text.decode("utf-8", "replace"), where).under(self._operator(repo))

    def _checks(self, project: ProjectConfig, repo: str, tip: Tip, files: Sequence[str]) -> Detected:
        """Return the written checks; where none are written, those that the tree shows."""
        if project.checks:
            return Detected(setup=project.setup, checks=project.checks)
        found = detect(files, lambda path: self._repositories.read(repo, tip.commit, path), self._has)
        return found.model_copy(update={"setup": project.setup}) if project.setup else found

    def _search(self, repo: str, tip: Tip, words: Words) -> Mapping[str, Mapping[str, int]]:
        strong = [*words.phrases, *(name for name in words.names if len(name) >= 3)][:SEARCHES]
        weak = words.plain[: WEAK_SEARCHES if strong else SEARCHES]
        return {word: self._repositories.grep(repo, tip.commit, [word]) for word in (*strong, *weak)}


def _risks_of_checks(found: Detected, project: ProjectConfig, tip: Tip) -> Iterator[str]:
    if not found.checks:
        yield "no checks were found: nothing can prove the change, and it cannot ship as PASSED"
    elif not project.checks:
        yield f"the checks were detected, not written down: {', '.join(c.name for c in found.checks)} (see `loopy init`)"
    if project.target and project.target != tip.branch:
        yield f"{FILE} asks for the branch '{project.target}', and the work stands on '{tip.branch or tip.commit[:12]}'"


def _questions(ticket: Ticket, request: Request, missing: Sequence[str], likely: Sequence[str]) -> Iterator[str]:
    """Yield what a person should answer, the ticket's own questions first."""
    yield from request.questions
    if VAGUE.match(ticket.title) and len(ticket.body.split()) < FEW_WORDS:
        yield f"'{ticket.title}' can mean many things: what exactly should be different afterwards?"
    elif not request.acceptance:
        yield "How will we know that it is done? The ticket names no acceptance items."
    for path in missing[:3]:
        yield f"The ticket names {path}, which the repository does not have: is it to be made?"
    if not likely:
        yield "Where should this be done? Nothing in the repository answers to the ticket's words."
