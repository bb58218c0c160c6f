"""`loopy verify` on golden receipts: no database, no home, three answers."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.receipts.bundle import write
from tests.receipts.support import DATA, DemoRepo, altered, demo_repo, key_from, notary, shipped

from .support import House

SHIPPED, REFUSED, SIGNERS = DATA / "shipped", DATA / "refused", DATA / "allowed_signers"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRepo:
    return demo_repo(tmp_path_factory.mktemp("golden") / "repo")


def test_a_good_receipt_of_a_trusted_signer_is_verified_without_a_home(house: House, demo: DemoRepo) -> None:
    said = house.loopy("verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path))
    assert (said.code, said.rows[-1]) == (0, "verified  LP-12.3  PASSED")
    assert not house.home.exists()


@pytest.mark.parametrize("name", ["shipped", "refused"])
def test_the_file_and_its_folder_both_name_a_receipt(house: House, name: str) -> None:
    for path in (DATA / name, DATA / name / "receipt.dsse.json"):
        assert house.loopy("verify", str(path), "--key", str(DATA / name / "signer.pub")).code == 0


def test_an_unknown_signer_could_not_be_verified(house: House) -> None:
    said = house.loopy("verify", str(SHIPPED))
    assert (said.code, said.rows[-1]) == (2, "could not verify")


def test_the_homes_own_key_is_trusted_and_another_homes_is_not(house: House) -> None:
    (house.home / "keys").mkdir(parents=True)
    shutil.copy(SHIPPED / "signer.pub", house.home / "keys" / "ship_ed25519.pub")
    assert house.loopy("verify", str(SHIPPED)).code == 0
    assert house.loopy("verify", str(SHIPPED), env={"LOOPY_HOME": str(house.home / "other")}).code == 2


def test_a_changed_receipt_is_invalid(house: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED, copy)
    envelope = copy / "receipt.dsse.json"
    data = bytearray(envelope.read_bytes())
    at = data.index(b'"payload":"') + 40
    data[at] = data[at] ^ 1
    envelope.write_bytes(data)
    said = house.loopy("verify", str(copy), "--allowed-signers", str(SIGNERS))
    assert (said.code, said.rows[-1]) == (1, "INVALID")


def test_a_revoked_key_is_invalid(house: House) -> None:
    signer = str(SHIPPED / "signer.pub")
    assert house.loopy("verify", str(SHIPPED), "--key", signer, "--revoked", signer).code == 1


def test_another_repository_could_not_be_compared(house: House) -> None:
    said = house.loopy("verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(house.repo))
    assert said.code == 2
    assert "is not in this repository" in said.out


def test_each_finding_is_one_line_with_its_mark(house: House, demo: DemoRepo) -> None:
    said = house.loopy("verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path))
    marks = [row[0] for row in said.rows if not row.startswith("  ")]
    assert marks[:-1] == ["✓"] * (len(marks) - 1)
    for name in ("signature", "tree", "raw diff", "base"):
        assert any(row.startswith(f"✓ {name}") for row in said.rows), name


def test_a_lack_of_sandbox_is_shown_in_red(house: House) -> None:
    said = house.loopy("verify", str(REFUSED), "--allowed-signers", str(SIGNERS), env={"FORCE_COLOR": "1"})
    sandbox = [row for row in said.rows if "sandbox" in row]
    assert all("\x1b[31m" in row for row in sandbox)


def test_json_has_the_findings_and_the_exit_code(house: House) -> None:
    said = house.loopy("verify", str(SHIPPED), "--json")
    assert said.code == 2
    facts = said.json
    assert (facts["result"], facts["exit_code"], facts["run"]) == ("could not verify", 2, "LP-12.3")
    assert facts["verdict"] == "PASSED"
    assert any(finding["ok"] is None for finding in facts["findings"])


def test_a_missing_file_is_told_apart_from_an_invalid_one(house: House) -> None:
    assert house.loopy("verify", "/nowhere/receipt.dsse.json").code == 2


def test_a_key_that_cannot_be_read_is_named(house: House) -> None:
    said = house.loopy("verify", str(SHIPPED), "--key", "/nowhere.pub")
    assert said.code == 2
    assert "--key: /nowhere.pub cannot be read" in said.err


def test_a_receipt_that_is_older_than_its_base_is_verified_with_a_warning(
    house: House, demo: DemoRepo, tmp_path: Path
) -> None:
    key, early = key_from(7), altered(shipped(demo), time_shipped=datetime(2020, 1, 1, tzinfo=UTC))
    folder = tmp_path / "early"
    folder.mkdir()
    write(folder, notary(key).sign(early), key.public_line)
    words = ("verify", str(folder), "--key", str(folder / "signer.pub"), "--repo", str(demo.path))
    said = house.loopy(*words)
    assert said.code == 0
    warning = "2020-01-01 00:00:00Z is earlier than the commit that it stands on, 2023-11-14 22:13:20Z"
    assert f"note: {warning}" in said.out
    assert warning in house.loopy(*words, "--json").json["notes"][0]


def test_rerun_asks_first_and_refuses_where_nobody_can_be_asked(house: House, demo: DemoRepo) -> None:
    words = ("verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path), "--rerun")
    said = house.loopy(*words)
    assert said.code == 2
    assert "pytest -q" in said.out
    assert "no sandbox" in said.out
    assert "--yes" in said.err


def test_rerun_of_what_was_not_shipped_is_refused(house: House) -> None:
    said = house.loopy("verify", str(REFUSED), "--allowed-signers", str(SIGNERS), "--rerun", "--yes")
    assert said.code == 2
    assert "only shipped changes" in said.err


def test_rerun_runs_the_checks_on_a_fresh_checkout_and_says_when_they_differ(
    house: House, demo: DemoRepo, tmp_path: Path
) -> None:
    for code, verdict in ((0, "verified"), (3, "INVALID")):
        tools = tmp_path / f"tools-{code}"
        tools.mkdir()
        (tools / "pytest").write_text(f"#!/bin/sh\ngrep -q 'a + b' add.py || exit 9\nexit {code}\n")
        (tools / "pytest").chmod(0o755)
        said = house.loopy(
            "verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path), "--rerun", "--yes",
            env={"PATH": f"{tools}:/usr/bin:/bin"},
        )  # fmt: skip
        assert said.code == (0 if code == 0 else 1), said.out + said.err
        assert f"exit {code}, " in said.out
        assert said.rows[-1].startswith(verdict)


def test_rerun_in_json_compares_exit_codes(house: House, demo: DemoRepo, tmp_path: Path) -> None:
    (tmp_path / "pytest").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "pytest").chmod(0o755)
    said = house.loopy(
        "verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path), "--rerun", "--yes", "--json",
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    (check,) = said.json["rerun"]
    assert (check["name"], check["said"], check["found"]) == ("pytest", 0, 0)


@pytest.mark.parametrize("name", ["LP-77", "LP-77.1", "lp-77"])
def test_a_run_that_is_not_there_is_named_with_what_to_do(house: House, name: str) -> None:
    said = house.loopy("verify", name)
    assert said.code == 2
    assert said.err.startswith("error: run: there is no ")
    assert name in said.err
    assert "loopy board --all" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_ticket_without_a_run_says_how_to_start_one(settled: House) -> None:
    settled.loopy("ticket", "add", "x")
    said = settled.loopy("verify", "LP-1")
    assert said.code == 2
    assert "LP-1 has no run yet (`loopy ticket start LP-1`)" in said.err


def test_the_repository_that_was_read_is_told(house: House, demo: DemoRepo) -> None:
    words = ("verify", str(SHIPPED), "--allowed-signers", str(SIGNERS), "--repo", str(demo.path))
    assert f"commits read from {demo.path}" in house.loopy(*words).out
    assert house.loopy(*words, "--json").json["repository"] == {"path": str(demo.path), "kind": "given"}
    assert house.loopy("verify", str(SHIPPED), "--json").json["repository"] is None
