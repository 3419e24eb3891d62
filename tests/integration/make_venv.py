"""Makes a virtual environment with exactly what a list of requirements names, unless it is there already.

    make_venv.py FOLDER REQUIREMENTS

What cannot be installed is said, and the tests that need it do not run: they fail, and are not skipped.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path


def main(folder, requirements):
    wanted = requirements.read_text()
    mark = folder / "made_of.txt"
    if mark.exists() and mark.read_text() == wanted:
        return 0
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError as failed:
        print(f"make_venv: no virtual environment in {folder}: {failed}. `scripts/setup test` installs python3-venv.")
        return 1
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    installed = subprocess.run([*pip, "install", "--quiet", "--no-deps", "--retries", "2", "-r", str(requirements)])
    if installed.returncode:
        print(
            f"make_venv: {requirements} could not be installed into {folder} (see above). It comes from PyPI, so the\n"
            "first run needs a network, or a mirror in pip's configuration; later runs take what is there. Run "
            "it again then."
        )
        return 1
    if subprocess.run([*pip, "check"]).returncode:
        print(f"make_venv: {requirements} does not fit together (see above); it must name everything with its version")
        return 1
    mark.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
