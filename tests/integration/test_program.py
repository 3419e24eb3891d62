"""U13, B8: how the program itself is built: what an attacker finds of it, and what it is made of."""

import hashlib
import json
import subprocess

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from program import PROGRAM, ROOT, SANITIZED


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_U13_defects_of_memory_meet_what_stops_them():
    headers = output_of("readelf", "-Wlhd", PROGRAM)
    assert "DYN (Position-Independent Executable file)" in headers
    assert "GNU_RELRO" in headers and "BIND_NOW" in headers
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert "RWE" not in stack  # nothing on a stack is run
    writable_code = [line for line in headers.splitlines() if line.strip().startswith("LOAD") and "RWE" in line]
    assert writable_code == []
    if not SANITIZED:  # those have checks of their own
        symbols = output_of("readelf", "-Ws", "--dyn-syms", PROGRAM)
        assert "__stack_chk_fail" in symbols and "_chk@" in symbols.replace("__stack_chk_fail@", "")


def test_B8_the_list_of_what_it_is_made_of(tmp_path):
    out = tmp_path / "sbom.cdx.json"
    subprocess.run([ROOT / "scripts/sbom", PROGRAM, out], check=True, timeout=120)
    text = out.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    document = json.loads(text)
    with open(PROGRAM, "rb") as program:
        assert document["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(program.read()).hexdigest()
    uses = {(one["name"], one["properties"][0]["value"]) for one in document["components"]}
    assert {("libc6", "loaded"), ("zlib1g", "loaded"), ("libboost1.81-dev", "compiled in")} <= uses
    assert all(one["version"] and one["purl"].startswith("pkg:deb/debian/") for one in document["components"])
    again = subprocess.run([ROOT / "scripts/sbom", PROGRAM], check=True, capture_output=True, text=True, timeout=120)
    assert again.stdout == text  # the same program gives the same list
