"""A worker's desk: every port with its adapter, put together once."""

from __future__ import annotations

import socket
from pathlib import Path

import loopy
from loopy.agents.catalogue import load_catalog
from loopy.agents.environment import Operator as AgentOperator
from loopy.agents.print_driver import PrintDriver
from loopy.bootstrap.services import Services
from loopy.bootstrap.wiring import FileArchive, KernelAlive, KernelGuards, ReceiptPusher, ShipTargets
from loopy.checks.environment import check_environment
from loopy.checks.runner import CommandChecker
from loopy.domain.repository import parse
from loopy.engine.admission import Admission
from loopy.engine.desk import Desk
from loopy.receipts.keys import load_or_make
from loopy.receipts.notary import Notary
from loopy.sandbox.choose import choose_sandbox
from loopy.ship.git_remote import GitRemote
from loopy.steps.plan import HeuristicPlanner
from loopy.workspace.clones import Clones

REMOTE_SETTLE_S = 65.0  # a push may take 60 s; a forge lists it a moment later


def desk(made: Services, worker: str) -> Desk:
    """Return a worker's desk: every port with its adapter."""
    settings, mirrors = made.settings, made.repositories
    backend = settings.sandbox.backend
    sandbox = choose_sandbox("none" if backend == "auto" else backend)
    operator_home = Path(made.env["HOME"]) if made.env.get("HOME") else None
    clones = Clones(mirrors)
    remote = GitRemote(operator=mirrors.operator)
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
        driver=PrintDriver(
            load_catalog(settings.agents_dir), AgentOperator(made.env, operator_home), sandbox, made.clock
        ),
        checker=CommandChecker(
            sandbox,
            check_environment(made.env, settings.checks.pass_env),
            made.clock,
            setup_timeout_s=settings.checks.setup_timeout_s,
        ),
        planner=HeuristicPlanner(mirrors, settings.for_repo),
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
        settle_s=lambda target: 0.0 if parse(target).local else REMOTE_SETTLE_S,
    )
