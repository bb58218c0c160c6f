from __future__ import annotations

import pytest

from loopy.domain.added import SECRETS, Line, added_lines, scan_added

A, D, H = "aB3dE6gH9jK2mN5pQ8sT", "0123456789", "0a1b2c3d4e5f6789"
SAMPLES = {
    "private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "AWS access key": "AKIA" + "ABCD1234EFGH5678",
    "AWS temporary key": "ASIA" + "ABCD1234EFGH5678",
    "GitHub token": "ghp_" + A * 2,
    "GitHub OAuth token": "gho_" + A * 2,
    "GitHub user token": "ghu_" + A * 2,
    "GitHub app token": "ghs_" + A * 2,
    "GitHub refresh token": "ghr_" + A * 2,
    "GitHub fine-grained token": "github_pat_" + A * 3,
    "GitLab token": "glpat-" + A,
    "Slack token": "xoxb-" + D + "-" + A,
    "Slack app token": "xapp-1-" + A,
    "Slack webhook": f"https://hooks.slack.com/services/T{D}/B{D}/{A}",
    "Google API key": "AIza" + (A * 2)[:35],
    "Google OAuth token": "ya29." + A * 2,
    "Google OAuth secret": "GOCSPX-" + A * 2,
    "Anthropic key": "sk-ant-api03-" + A * 2,
    "OpenAI key": "sk-proj-" + A * 2,
    "Stripe key": "sk_" + "live_" + A,
    "Stripe webhook secret": "whsec_" + A * 2,
    "npm token": "npm_" + (A * 2)[:36],
    "PyPI token": "pypi-AgE" + A * 3,
    "Linear key": "lin_api_" + A * 2,
    "Hugging Face token": "hf_" + A * 2,
    "Tavily key": "tvly-" + A,
    "Firecrawl key": "fc-" + H * 2,
    "SendGrid key": f"SG.{A}.{A * 2}",
    "Twilio key": "SK" + H * 2,
    "DigitalOcean token": "dop_v1_" + H * 4,
    "Shopify token": "shpat_" + H * 2,
    "Telegram bot token": f"{D}:AA" + (A * 2)[:33],
    "age key": "AGE-SECRET-KEY-1" + "ABCDEFGHJK" * 5,
    "JSON web token": f"eyJ{A}.eyJ{A}.{A}",
    "password in a URL": "postgres://app:hunter2hunter2@db.internal/x",
}


def scan(text: str) -> tuple[str, ...]:
    return scan_added("f.py", added_lines(text))


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.kind)
def test_every_kind_of_secret_is_found_by_line_and_kind_and_never_repeated(secret: object) -> None:
    kind = getattr(secret, "kind", "")
    sample = SAMPLES[kind]
    notes = scan(f"x = 1\n\nvalue = {sample}\n")
    assert f"secret: f.py (line 3, {kind})" in notes
    assert not any(sample in note for note in notes)


@pytest.mark.parametrize(
    "line",
    [
        "aws_key = 'AKIAIOSFODNN7EXAMPLE'",
        "task-skip-" + "a" * 40,
        "url = 'https://example.com:8080/path@v1'",
        "url = f'postgres://{user}:{password}@{host}/db'",
        "token = os.environ['GITHUB_TOKEN']",
        "password = 'correct-correct-correct'",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_only_looks_like_a_secret_is_let_be(line: str) -> None:
    assert scan(line) == ()


def test_a_random_value_for_a_secret_name_is_asked_about() -> None:
    assert scan("api_key = 'q8Zr2LmX7vTn4KcW9sJd'") == ("possible-secret: f.py (line 1)",)


def test_only_lines_that_were_not_there_before_count() -> None:
    old = f"a\n{SAMPLES['GitHub token']}\n"
    assert added_lines(f"b\n{old}", set(old.split("\n"))) == [Line(1, "b")]


def test_a_skip_a_pointer_and_a_control_are_noted() -> None:
    assert scan("@pytest.mark.skip\n") == ("test-skipped: f.py (line 1)",)
    assert scan("x = 'a\u202eb'\n") == ("bidi-control: f.py (line 1)",)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 123456\n"
    assert scan(pointer) == ("lfs-pointer: f.py (for 123,456 bytes)",)


def test_two_megabytes_are_scanned_in_a_moment() -> None:
    assert scan("the quick brown fox = jumps('over the lazy dog')\n" * 40_000) == ()
