"""Mutants of rule 16: the files that a receipt names."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

OPEN, LEFT = "engine/test_rules_15_open.py", "engine/test_rules_16_files.py"
GUARDED, NAMED = "ship/test_remote_calls_in_guards.py", "receipts/test_receipt_files.py"
REMOTE, PACKS = "loopy/ship/git_remote.py", "loopy/bootstrap/packs.py"
STALE = f"{LEFT}::test_16_a_stale_worker_cannot_put_its_evidence_in_the_place_of_what_is_recorded"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        16,
        "evidence_under_its_name_alone",
        (
            Edit(PACKS, "at = make(folder / KEPT / digest)", "at = make(folder / KEPT)"),
            Edit(PACKS, "kept, fresh = folder / KEPT / digest / name", "kept, fresh = folder / KEPT / name"),
            Edit(PACKS, "    kept = folder / KEPT / digest / name\n", "    kept = folder / KEPT / name\n"),
        ),
        f"{STALE}[ship-evidence.json]",
        f"{STALE}[ship-evidence.md]",
        "bootstrap/test_packs.py::test_a_file_is_found_by_what_is_recorded_whoever_writes_another_of_its_name",
    ),
    mutant(
        16,
        "evidence_placed_by_who_wrote_it",
        Edit(
            PACKS,
            "        sync_folder(above)\n    return digest\n",
            "        sync_folder(above)\n    place(folder, {name: digest})\n    return digest\n",
        ),
        f"{STALE}[None-evidence.json]",
        f"{STALE}[None-evidence.md]",
    ),
    mutant(
        16,
        "evidence_not_placed",
        engine("publish", "        desk.archive.place(run.id, files)\n", ""),
        f"{LEFT}::test_16_the_patch_and_the_bundle_are_subjects_of_the_receipt",
    ),
    mutant(
        16,
        "evidence_of_the_first_turn",
        engine("receipt", "files_of(tx.runs.outcomes(run.id), run.turn)", "files_of(tx.runs.outcomes(run.id), 1)"),
        f"{LEFT}::test_16_the_receipt_names_the_evidence_of_the_turn_that_shipped",
    ),
    mutant(
        16,
        "patch_unnamed",
        engine("receipt", "patch=patch, bundle=bundle)", ")"),
        f"{LEFT}::test_16_the_patch_and_the_bundle_are_subjects_of_the_receipt",
    ),
    mutant(
        16,
        "bundle_of_another_commit",
        engine(
            "shipping", "    if begun:\n        return Shipment(", "    if False and begun:\n        return Shipment("
        ),
        f"{LEFT}::test_16_a_push_that_was_begun_is_bundled_as_it_was_begun",
    ),
    mutant(
        16,
        "files_beside_unread",
        Edit("loopy/receipts/verify.py", "*before, *files)", "*before)"),
        f"{NAMED}::test_files_that_lie_beside_a_receipt_are_compared_with_it",
        f"{NAMED}::test_a_file_with_another_content_makes_the_receipt_invalid[ship.bundle]",
    ),
    mutant(
        16,
        "patch_without_binaries",
        Edit("loopy/workspace/clones.py", '*PATCH_FLAGS, "--binary", change.base', "*PATCH_FLAGS, change.base"),
        "ship/test_patch_and_bundle.py::test_the_patch_applied_to_the_base_gives_the_tree_of_the_receipt",
    ),
    mutant(
        16,
        "bundle_of_what_the_ref_held",
        Edit(
            "loopy/workspace/clones.py",
            'self.git.run(["update-ref", checked_ref(ref), commit], lab.private)',
            'self.git.run(["update-ref", checked_ref(ref), commit, "0" * 40], lab.private, ok=(0, 128))',
        ),
        "ship/test_patch_and_bundle.py::test_a_commit_that_was_begun_earlier_is_bundled_as_it_was",
    ),
)
