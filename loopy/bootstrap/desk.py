"""A worker's desk: every port with its adapter, put together once."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import loopy
from loopy.agents.catalogue import load_catalog
from loopy.agents.drivers import Drivers
from loopy.agents.environment import Operator as AgentOperator
from loopy.agents.redact import Redactor
from loopy.bootstrap.services import Services
from loopy.bootstrap.wiring import FileArchive, KernelAlive, KernelGuards, ReceiptPusher, ShipTargets
from loopy.checks.environment import check_environment
from loopy.checks.runner import CommandChecker
from loopy.checks.slots import SlottedChecker
from loopy.domain.repository import parse
from loopy.engine.admission import Admission
from loopy.engine.desk import Desk
from loopy.engine.effects import CALL_S
from loopy.ports import Sandbox
from loopy.process.slots import Slots
from loopy.receipts.keys import load_or_make
from loopy.receipts.notary import Notary
from loopy.ship.git_remote import GitRemote
from loopy.steps.plan import HeuristicPlanner
from loopy.workspace.clones import Clones

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
SECRET_CHARACTERS = 12
REMOTE_SETTLE_S = CALL_S + 5.0  # a push may land until its call has run out; a forge lists it a moment later


def desk(made: Services, worker: str) -> Desk:
    """Return a worker's desk: every port with its adapter."""
    settings, mirrors = made.settings, made.repositories
    sandbox = made.sandbox
    redactor = Redactor(known_secrets(made.env))
    clones, remote = Clones(mirrors), GitRemote(operator=mirrors.operator)
    notary = Notary(load_or_make(settings.keys, made.install_id), made.install_id)
    archive = FileArchive(mirrors.folders, notary.public_line)
    targets = ShipTargets(settings, made.policies)
    return Desk(
        graph=made.graph,
        clock=made.clock,
        doorbell=made.bell,
        admission=Admission(settings.limits, made.fleet),
        repositories=mirrors,
        workspaces=clones,
        driver=_driver(made, sandbox, redactor),
        checker=_checker(made, sandbox, redactor),
        planner=HeuristicPlanner(mirrors, settings.for_repo, _has(made.env)),
        policies=made.policies,
        fleet=made.fleet,
        sandbox=sandbox,
        remote=remote,
        targets=targets,
        guards=KernelGuards(mirrors.folders),
        alive=KernelAlive(settings.alive),
        archive=archive,
        notary=notary,
        push_receipt=ReceiptPusher(made.graph, clones, remote, targets, archive),
        install_id=made.install_id,
        version=loopy.__version__,
        worker=worker,
        host=socket.gethostname(),
        lease_s=settings.lease_s,
        settle_s=lambda target: 0.0 if parse(target).local else REMOTE_SETTLE_S,
    )


def _driver(made: Services, sandbox: Sandbox, redactor: Redactor) -> Drivers:
    home = Path(made.env["HOME"]) if made.env.get("HOME") else None
    catalog = load_catalog(made.settings.agents_dir)
    return Drivers(catalog, AgentOperator(made.env, home), sandbox, made.clock, redactor)


def _checker(made: Services, sandbox: Sandbox, redactor: Redactor) -> SlottedChecker:
    checks = made.settings.checks
    env = check_environment(made.env, checks.pass_env)
    checker = CommandChecker(sandbox, env, made.clock, redactor.text, checks.setup_timeout_s)
    return SlottedChecker(checker, Slots(made.settings.slots / "checks", made.settings.limits.checks))


def _has(env: Mapping[str, str]) -> Callable[[str], bool]:
    return lambda program: shutil.which(program, path=env.get("PATH")) is not None


def known_secrets(env: Mapping[str, str]) -> list[str]:
    """Return the values of the variables that are named like secrets: what is never stored, logged or streamed."""
    return [v for k, v in env.items() if len(v) >= SECRET_CHARACTERS and SECRET.search(k)]
