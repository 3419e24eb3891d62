"""B2: 'An agent with nothing but curl' (docs/http.md): what is typed there gives what is shown there.

Its commands are typed into a shell, one after the other, at one server that is new. What differs from run to run is
compared by its shape, but an id or a lease that the page names again must be the same one.
`python3 tests/integration/test_http_page.py` writes the outputs into the page anew.
"""

import re
import shutil
import tempfile

from program import ROOT
from test_troubleshooting import BLOCK, UUID, Place, shape

PAGE = ROOT / "docs/http.md"
LEASE = re.compile(r'(?<="lease":")\d+(?=")')
VARIES = [
    (re.compile(r'(?<="lease":")\d+(?=")|\d+(?= is not a lease)'), "LEASE"),
    (re.compile(r'"revision":\d+'), '"revision":N'),
    (re.compile(r'"(timestamp|at|expires_at|died_at|sent_at|held_since|registered_at|since|seen_at)":\d+'), r'"\1":N'),
    (re.compile(r'"last_read_age_ms":\d+'), '"last_read_age_ms":N'),
]


def shapes(lines):
    text = "\n".join(lines)
    for what, stands_for in VARIES:
        text = what.sub(stands_for, text)
    return [line for line in shape(text.splitlines()) if line]


class Shell(Place):
    def __init__(self, folder):
        super().__init__(folder)
        self.leases = {}  # what those of the page are here

    def type_in(self, command, shown):
        command = LEASE.sub(lambda match: self.leases.get(match.group(), match.group()), command)
        lines = super().type_in(command, shown)
        for there, here in zip(LEASE.findall("\n".join(shown)), LEASE.findall("\n".join(lines))):
            self.leases.setdefault(there, here)
        return self.as_on_the_page("\n".join(lines)).splitlines()


def pairs():
    """(command, what is shown of it), in order."""
    found = []
    for block in BLOCK.findall(PAGE.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def typed(folder):
    place = Shell(folder)
    try:
        place.serve()
        return [(command, shown, place.type_in(command, shown)) for command, shown in pairs()]
    finally:
        place.leave()


def test_B2_what_is_typed_on_the_page_gives_what_it_shows(tmp_path):
    assert shutil.which("curl")
    for command, shown, got in typed(tmp_path):
        assert shapes(got) == shapes(shown), command


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        outputs = iter(typed(folder))

    def block(match):
        lines = []
        for line in match.group().splitlines():
            if line.startswith("$ "):
                lines += [line, *(each for each in next(outputs)[2] if each)]
        return "\n".join(lines) + "\n"

    PAGE.write_text(BLOCK.sub(block, PAGE.read_text()))
