"""A coding agent of ours, small and real: it asks a model over OpenAI's wire, uses its tools, and keeps sessions.

`MISDEED` makes it a bad one; see the tests of `loopy agents test`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ENTRY = """
name = "Toy"
[detect]
bin = ["toy"]
identity_regex = "toy"
[auth]
env = ["TOY_KEY"]
base_url = { openai = "TOY_URL" }
home = [{ dir = ".toy" }]
[print]
argv = ["{bin}", "{*session}", "{*extra}"]
output = "jsonl"
dialect = "claude"
session = ["--session-id", "{uuid}"]
resume = ["--resume", "{session}"]
resume_refused = "No conversation found"
"""
OWN_MODEL = """
[own_model]
env = { TOY_URL = "{base}/v1/chat/completions" }
argv = ["MISDEED"]
[[own_model.file]]
path = ".toy/key"
text = "{key}"
"""
SOURCE = r"""
import json, os, subprocess, sys, urllib.error, urllib.request
words = sys.argv[1:]
if "--version" in words: print("toy 1.2.3"); raise SystemExit
here, home = os.path.dirname(os.path.abspath(sys.argv[0])), os.path.join(os.environ["HOME"], ".toy")
with open(os.path.join(here, "seen"), "a") as seen: seen.write(json.dumps(dict(os.environ)) + "\n")
misdeed, prompt = words[-1], sys.stdin.read()
known = open(home + "/sessions").read().split() if os.path.exists(home + "/sessions") else []
wanted = words[words.index("--resume") + 1] if "--resume" in words else ""
def end(**told):
    print(json.dumps({"type": "result", "subtype": "success", "session_id": session, **told}), flush=True)
    raise SystemExit(int(told["is_error"]))
session = wanted or words[words.index("--session-id") + 1]
if misdeed == "forgetful" and wanted: session = "00000000-0000-4000-8000-00000000beef"
elif wanted and wanted not in known: end(is_error=True, result="No conversation found with session ID: " + wanted)
open(home + "/sessions", "a").write(session + "\n")
print(json.dumps({"type": "system", "subtype": "init", "session_id": session, "model": "m"}), flush=True)
text = {"type": "string"}
tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": keys}}}
    for name, keys in (("write_file", {"path": text, "content": text}), ("bash", {"command": text}))]
messages = [{"role": "user", "content": prompt}]
def asked():
    body = json.dumps({"model": "scripted", "messages": messages, "tools": tools}).encode()
    head = {"Authorization": "Bearer " + open(home + "/key").read()}
    with urllib.request.urlopen(urllib.request.Request(os.environ["TOY_URL"], body, head)) as got:
        return json.load(got)["choices"][0]["message"]
while misdeed not in ("lazy", "alone"):
    try: said = asked()
    except urllib.error.HTTPError as error:
        why = json.load(error)["error"]
        if misdeed == "liar": break
        end(is_error=True, result="API Error: %d %s %s" % (error.code, why.get("code") or "", why["message"]))
    messages.append(said)
    for call in said.get("tool_calls", []):
        given = json.loads(call["function"]["arguments"])
        if "command" in given: done = subprocess.run(given["command"], shell=True, capture_output=True, text=True).stdout
        else: done = str(open(given["path"], "w").write(given["content"]))
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": done})
    if not said.get("tool_calls"): break
if misdeed == "alone":
    open("app.py", "w").write("def add(a, b):\n    return a + b\n"); open("NOTES.md", "w").write("hello\n")
end(is_error=False, result="Done.", usage={"input_tokens": 5, "output_tokens": 3})
"""


def install(folder: Path, agents: Path, misdeed: str = "none", own_model: str = OWN_MODEL) -> Path:
    """Write the program into `folder/bin` and its entry into the home's folder of entries; return the program."""
    (folder / "bin").mkdir(exist_ok=True)
    agents.mkdir(parents=True, exist_ok=True)
    (agents / "toy.toml").write_text(ENTRY + own_model.replace("MISDEED", misdeed))
    file = folder / "bin" / "toy"
    file.write_text(f"#!{sys.executable} -S\n{SOURCE}")
    file.chmod(0o755)
    return file
