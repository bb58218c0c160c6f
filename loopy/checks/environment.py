"""The environment of set-up and checks: an allow-list, a scratch home, and where the toolchains of the user live.

There is no cache between turns: a check that could write to it could put a test runner there that always passes,
and the next turn's clean tree would be judged by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loopy.domain.outward import refuse_credentials

PASSED = frozenset(
    {
        "PATH", "LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS", "JAVA_HOME", "GOROOT", "DOTNET_ROOT", "SDKROOT", "DEVELOPER_DIR", "NIX_PATH",
    }
)  # fmt: skip
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
# Programs on PATH that look for their toolchains below HOME, which is a scratch folder here. Never a folder that
# holds credentials too, as ~/.cargo, ~/.m2 and ~/.npm may.
TOOLCHAINS: Mapping[str, str] = {
    "RUSTUP_HOME": ".rustup",
    "PYENV_ROOT": ".pyenv",
    "RBENV_ROOT": ".rbenv",
    "NVM_DIR": ".nvm",
    "VOLTA_HOME": ".volta",
    "ASDF_DATA_DIR": ".asdf",
    "MISE_DATA_DIR": ".local/share/mise",
    "SDKMAN_DIR": ".sdkman",
}
FIXED: Mapping[str, str] = {"CI": "1", "TERM": "dumb", "NO_COLOR": "1"}


def check_environment(
    base: Mapping[str, str],
    pass_env: Sequence[str] = (),
    is_folder: Callable[[str], bool] = lambda path: Path(path).is_dir(),
) -> dict[str, str]:
    """Return what set-up and checks see of the operator's environment, without HOME and TMPDIR.

    A proxy passes when its address holds no password. `pass_env` names what the operator adds. Raises ConfigError when
    that is a credential: checks run what an agent wrote, and that may send away whatever it sees.
    """
    refuse_credentials(pass_env)
    env = {k: v for k, v in base.items() if k in PASSED or k.startswith("LC_") or _open_proxy(k, v)}
    for name, folder in TOOLCHAINS.items():
        path = base.get(name) or (f"{base['HOME']}/{folder}" if base.get("HOME") else "")
        if path and is_folder(path):
            env[name] = path
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("LANG", "C.UTF-8")
    return env | dict(FIXED) | {name: base[name] for name in pass_env if name in base}


def _open_proxy(name: str, value: str) -> bool:
    return name.lower() in PROXIES and "@" not in value
