"""Attacks by what lies in the work tree: paths, names, links, kinds, contents."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.domain_gate.attacks import ATTACKS, Attack, attack
from tests.workspace.support import put


@attack(1, "denied-path")
def edit_of_a_denied_file(tree: Path) -> None:
    put(tree, {"infra/main.tf": "evil\n"})


@attack(2, "denied-path")
def rename_out_of_a_denied_folder(tree: Path) -> None:
    os.rename(tree / "infra/main.tf", tree / "src/main.tf")


@attack(3, "denied-path")
def rename_into_a_denied_folder(tree: Path) -> None:
    os.rename(tree / "src/tax.py", tree / "infra/tax.py")


@attack(4, "denied-path")
def deletion_of_a_denied_file(tree: Path) -> None:
    (tree / "infra/main.tf").unlink()


@attack(10, "symlink-to-denied", "symlink")
def link_to_a_denied_file(tree: Path) -> None:
    (tree / "src/harmless.txt").symlink_to("../infra/main.tf")


@attack(10, "symlink-to-denied")
def link_to_a_denied_folder_spelled_otherwise(tree: Path) -> None:
    (tree / "src/harmless").symlink_to("../INFRA")


@attack(11, "symlink-escape")
def link_out_of_the_tree(tree: Path) -> None:
    (tree / "passwords").symlink_to("/etc/passwd")


@attack(11, "symlink-escape")
def relative_link_out_of_the_tree(tree: Path) -> None:
    (tree / "src/up").symlink_to("../src/../../..")


@attack(11, "symlink-escape")
def link_into_gits_folder(tree: Path) -> None:
    (tree / "hooks").symlink_to(".git/hooks")


@attack(12, "denied-path", "symlink")
def folder_moved_away_and_a_link_in_its_place(tree: Path) -> None:
    os.rename(tree / "infra", tree / "src/elsewhere")
    (tree / "infra").symlink_to("src/elsewhere")


@attack(13, "denied-path")
def file_named_as_the_denied_folder(tree: Path) -> None:
    put(tree, {"secrets": "x\n"})


@attack(13, "denied-path", "symlink")
def link_named_as_the_denied_folder(tree: Path) -> None:
    (tree / "secrets").symlink_to("src")


@attack(14, "denied-path", "case-collision")
def other_case_of_a_denied_folder(tree: Path) -> None:
    put(tree, {"Infra/main.tf": "evil\n"})


@attack(15, "denied-path", "case-collision")
def full_width_letter_in_a_denied_folder(tree: Path) -> None:
    put(tree, {"\uff49nfra/main.tf": "evil\n"})


@attack(16, "invisible-char", "denied-path")
def zero_width_joiner_in_a_denied_folder(tree: Path) -> None:
    put(tree, {"in\u200dfra/new.tf": "evil\n"})


@attack(17, "bad-name")
def newline_in_a_name(tree: Path) -> None:
    put(tree, {"infra/a\nb.tf": "evil\n"})


@attack(18, "denied-path")
def quotes_and_letters_beyond_ascii_in_a_name(tree: Path) -> None:
    put(tree, {"infra/\"ä\" 'b'.tf": "evil\n"})


@attack(18, "bad-name")
def tab_in_a_name(tree: Path) -> None:
    put(tree, {"infra/a\tb.tf": "evil\n"})


@attack(19, "mode-change", verdict="ask")
def executable_bit(tree: Path) -> None:
    (tree / "src/app.py").chmod(0o755)


@attack(30, verdict="allow")
def ignored_files_planted_for_the_checks(tree: Path) -> None:
    put(tree, {"build/conftest.py": "evil\n", "build/evil.pth": "import evil\n", "conftest.log": "x\n"})


@attack(32, "case-collision")
def two_names_that_differ_by_case(tree: Path) -> None:
    put(tree, {"src/one.py": "x\n", "src/One.py": "y\n"})


@attack(32, "case-collision")
def a_name_that_differs_by_case_from_the_bases(tree: Path) -> None:
    put(tree, {"src/APP.py": "x\n"})


@attack(33, "bidi-control")
def bidirectional_controls_in_source(tree: Path) -> None:
    put(tree, {"src/app.py": "access = 'user\u202e \u2066# admin\u2069 \u2066'\n"})


@attack(33, "bidi-control")
def tag_characters_in_text(tree: Path) -> None:
    put(tree, {"README.md": "# Shop\n\U000e0069\U000e0067\n"})


@attack(34, "hard-link")
def hard_link_to_a_file_outside(tree: Path) -> None:
    (tree.parent / "outside").write_text("private\n")
    os.link(tree.parent / "outside", tree / "src/inside.txt")


@attack(35, "special-file")
def pipe(tree: Path) -> None:
    os.mkfifo(tree / "src/pipe")


@attack(35, "special-file", "denied-path")
def pipe_in_place_of_a_tracked_file(tree: Path) -> None:
    (tree / "infra/main.tf").unlink()
    os.mkfifo(tree / "infra/main.tf")


@attack(35, "special-file")
def unix_socket(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(tree, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/socket")  # the path itself may be too long for a socket's name
        finally:
            os.close(here)


@attack(36, "too-large")
def huge_sparse_file(tree: Path) -> None:
    with (tree / "sparse").open("wb") as file:
        file.truncate(200_000_000_000)


@attack(36, "too-many-files")
def very_many_files(tree: Path) -> None:
    put(tree, {f"many/{n}": "" for n in range(300)})


@attack(38, "exec-surface", verdict="ask")
def check_command_edited_in_the_tree(tree: Path) -> None:
    put(tree, {"loopy.toml": '[[checks]]\nname = "x"\nargv = ["true"]\n'})


@attack(39, "tests-deleted", "tests-shrunk", verdict="ask")
def deleted_tests(tree: Path) -> None:
    (tree / "tests/test_app.py").unlink()


@attack(39, "test-skipped", verdict="allow")
def tests_that_cannot_fail(tree: Path) -> None:
    put(tree, {"tests/test_app.py": "def test_total():\n    assert True\n"})


@attack(42, "secret")
def secret_in_an_added_line(tree: Path) -> None:
    put(tree, {"src/app.py": f"TOKEN = 'ghp_{'a1B2' * 9}'\n"})


@attack(43, "bad-name")
def other_spelling_of_gits_folder(tree: Path) -> None:
    put(tree, {".GIT/config": "x\n", "sub/git~1/config": "x\n", ".g\u200cit/config": "x\n"})


@attack(43, "bad-name")
def names_that_windows_bends(tree: Path) -> None:
    put(tree, {"dot.": "x\n", "blank ": "x\n", "back\\slash": "x\n", "src/.git::$INDEX_ALLOCATION": "x\n"})


@attack(44, "binary", verdict="ask")
def binary_polyglot(tree: Path) -> None:
    (tree / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n\0" + b"#!/bin/sh\n")


@attack(44, "lfs-pointer", verdict="ask")
def large_file_pointer(tree: Path) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 999999999\n"
    put(tree, {"src/tax.py": text})


for _name in (
    "conftest.py",
    "sitecustomize.py",
    "evil.pth",
    "pytest.ini",
    "package.json",
    "Makefile",
    ".github/ci.yml",
):

    def _tracked(tree: Path, name: str = _name) -> None:
        put(tree, {f"src/{name}" if name != ".github/ci.yml" else ".github/workflows/ci.yml": "evil\n"})

    ATTACKS.append(Attack(31, f"tracked {_name}", _tracked, frozenset({"exec-surface"}), "ask"))
