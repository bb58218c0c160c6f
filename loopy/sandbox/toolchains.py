"""Which folders a program needs to run: its own, those of its interpreter, and those that PATH and environment name.

Only folders of programs and of what they load. Never a home folder, and nothing that holds one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store")
# Folders of the home that hold toolchains and nothing else; whole ones, since their programs read all over them.
ROOTS = (
    ".pyenv", ".rbenv", ".nodenv", ".goenv", ".nvm", ".volta", ".asdf", ".sdkman", ".rustup", ".bun/bin", ".deno/bin",
    ".local/share/mise", ".local/share/uv/python", ".local/share/uv/tools", ".local/share/pipx", ".local/pipx",
)  # fmt: skip
ELSEWHERE = ("/home/linuxbrew/.linuxbrew", "/snap")
BINS = frozenset({"bin", "sbin", "scripts", "Scripts", "shims", "libexec"})
BESIDE = ("lib", "lib32", "lib64", "libexec", "include", "share")
# Variables whose values are files or folders to read: certificates, and where toolchains live.
READ = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "JAVA_HOME", "GOROOT",
    "DOTNET_ROOT", "RUSTUP_HOME", "PYENV_ROOT", "RBENV_ROOT", "NVM_DIR", "VOLTA_HOME", "ASDF_DATA_DIR", "MISE_DATA_DIR",
    "SDKMAN_DIR", "VIRTUAL_ENV",
)  # fmt: skip
MOST_LINKS = 500  # of a folder on PATH that are followed


def found(program: str, env: Mapping[str, str]) -> str:
    """Return the program's path by the absolute folders of PATH, never one in the work tree; as it is when it names a path."""
    if "/" in program:
        return program
    folders = [folder for folder in env.get("PATH", "").split(":") if folder.startswith("/")]
    return shutil.which(program, path=":".join(folders)) or program


def needed(program: str, env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield what the program, "" for none, and those on its PATH need of this machine beyond the system's own folders."""
    yield from _of_program(Path(program), home)
    for name in env.get("PATH", "").split(":"):
        if name.startswith("/") and not in_system(name) and os.path.isdir(name):
            yield from _of_folder(Path(name), home)
            yield from _of_links(Path(name), home)
    for variable in READ:
        if os.path.isabs(env.get(variable, "")):
            yield Path(env[variable])


def in_system(path: str) -> bool:
    """Whether the path lies, as it is written, in a folder that every box can read."""
    return any(path == top or path.startswith(f"{top}/") for top in SYSTEM)


def _of_program(program: Path, home: Path, *, own: bool = True) -> Iterator[Path]:
    """Yield what a program needs, link by link to where it really lies; of the run's `own` its folder and interpreter too."""
    if not program.is_absolute():
        return
    for place in _hops(program):
        if not in_system(str(place)):
            yield place
            yield from _of_folder(place.parent, home, own=own)
    if own and (interpreter := _first_line(program)):
        yield from _of_program(Path(interpreter), home, own=False)


def _of_links(folder: Path, home: Path) -> Iterator[Path]:
    """Yield where the links of a folder on PATH lead: the tools that installers keep elsewhere."""
    with os.scandir(folder) as entries:
        links = [entry.path for _, entry in zip(range(MOST_LINKS), entries, strict=False) if entry.is_symlink()]
    for link in links:
        if os.path.dirname(os.path.realpath(link)) != os.path.realpath(folder):
            yield from _of_program(Path(link), home, own=False)


def _of_folder(folder: Path, home: Path, *, own: bool = True) -> Iterator[Path]:
    """Yield what belongs to the programs of a folder, which may be in a virtual environment, a prefix, or npm's."""
    for root in (*(home / name for name in ROOTS), *map(Path, ELSEWHERE)):
        if folder.is_relative_to(root):
            yield root
            return
    if "node_modules" in folder.parts:
        yield Path(*folder.parts[: folder.parts.index("node_modules") + 1])
    elif folder.name not in BINS:
        if own:
            yield folder
    elif (folder.parent / "pyvenv.cfg").is_file():
        yield folder.parent
        yield from _of_base(folder, home)
    else:
        yield folder
        # what lies in ~/.local/share is everybody's, keyrings too
        beside = BESIDE[:-1] if folder.parent == home / ".local" else BESIDE
        yield from (folder.parent / name for name in beside if folder.parent != home)


def _of_base(folder: Path, home: Path) -> Iterator[Path]:
    """Yield what a virtual environment's interpreter needs where it really lies."""
    for place in list(_hops(folder / "python"))[1:]:
        if place.parent != folder and not in_system(str(place)):
            yield from _of_folder(place.parent, home)


def _hops(path: Path) -> Iterator[Path]:
    """Yield the path, each link on the way as it is written, and where it ends."""
    seen = set[Path]()
    while path not in seen and len(seen) < 40:
        seen.add(path)
        yield path
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / os.readlink(path)))
    if (real := Path(os.path.realpath(path))) not in seen and real.exists():
        yield real


def _first_line(program: Path) -> str:
    """Return the interpreter that a script's first line names, "" for another kind of program."""
    try:
        with program.open("rb") as file:
            line = file.readline(512)
    except OSError:
        return ""
    words = line[2:].split() if line.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""
