"""Install basicsr 1.4.2 where its own build fails: ``python segsr_arch/compat/install_basicsr.py [pip arguments]``.

The ``setup.py`` in the source archive reads its version with ``exec`` and then looks for it in ``locals()``. Since
Python 3.13 (PEP 667) ``exec`` no longer writes there, and the build stops with ``KeyError: '__version__'``. This
script lets pip do everything as usual (index, proxies, constraints, dependencies) and repairs that one function
in the folder where pip has just unpacked the archive. Build isolation is off, so that no second torch is fetched
for a build that does not use it; this makes the script useful on Python 3.10 to 3.12, too.

Only the standard library is used, and the file is run by its path, because ``segsr_arch`` itself cannot be
imported before basicsr is there. All further arguments go to ``pip install``.
"""

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

VERSION = "1.4.2"
BUILD_TOOLS = {"setuptools": "setuptools<82", "wheel": "wheel"}

WORKING_GET_VERSION = """\
def get_version():
    scope = {}
    with open(version_file, encoding="utf-8") as file:
        exec(file.read(), scope)
    return scope["__version__"]
"""

# Python imports `sitecustomize` when it starts, before setup.py is read; pip starts its build steps inside the
# unpacked archive. A sitecustomize that this one hides is imported afterwards.
SITECUSTOMIZE = """\
import runpy, sys
runpy.run_path({script!r})["repair_archive"](".")
sys.path.remove({folder!r})
own = sys.modules.pop("sitecustomize")
try:
    import sitecustomize
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
    sys.modules["sitecustomize"] = own
"""


def repair_archive(folder: str | os.PathLike[str]) -> bool:
    """Replace the broken ``get_version`` in the setup.py of an unpacked basicsr archive, in place.

    Args:
        folder: Any folder. Nothing happens unless it holds basicsr 1.4.2 with the function as it was released.

    Returns:
        True if setup.py was rewritten.
    """
    setup, version = Path(folder, "setup.py"), Path(folder, "VERSION")
    if not (setup.is_file() and version.is_file() and Path(folder, "basicsr").is_dir()):
        return False
    source = setup.read_text(encoding="utf-8")
    if version.read_text(encoding="utf-8").strip() != VERSION or "name='basicsr'" not in source:
        return False
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "get_version":
            start, stop = node.lineno - 1, node.end_lineno
            if "locals()['__version__']" in "".join(lines[start:stop]):
                lines[start:stop] = [WORKING_GET_VERSION]
                setup.write_text("".join(lines), encoding="utf-8")
                return True
    return False


def installed_version(name: str) -> str | None:
    """Version of a distribution that this interpreter sees, or None. Asked afresh at every call."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def run_pip(arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run ``python -m pip install`` with these arguments, output to the terminal; returns its exit code."""
    command = [sys.executable, "-m", "pip", "install", *arguments]
    print("+ " + subprocess.list2cmdline(command), flush=True)
    return subprocess.run(command, check=False, env=env).returncode


def main(arguments: Sequence[str]) -> int:
    """Install basicsr 1.4.2 into the running interpreter's environment.

    Args:
        arguments: Further arguments for ``pip install``, such as ``--constraint FILE``.

    Returns:
        Exit code: 0 when basicsr 1.4.2 is installed, pip's own code or 2 otherwise.
    """
    if installed_version("basicsr") == VERSION:
        print(f"basicsr {VERSION} is already installed in {sys.prefix}")
        return 0
    if installed_version("pip") is None:
        print(f"error: {sys.executable} has no pip; run: {sys.executable} -m ensurepip", file=sys.stderr)
        return 2
    missing = [requirement for name, requirement in BUILD_TOOLS.items() if installed_version(name) is None]
    if missing and (code := run_pip(missing)):
        print(f"error: basicsr cannot be built without {' and '.join(missing)} (see above)", file=sys.stderr)
        return code
    with tempfile.TemporaryDirectory(prefix="basicsr-build-") as folder:
        content = SITECUSTOMIZE.format(script=os.path.abspath(__file__), folder=folder)
        Path(folder, "sitecustomize.py").write_text(content, encoding="utf-8")
        search = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
        # --use-pep517: older versions of pip would otherwise call setup.py directly, which fetches its
        # setup_requires (cython, numpy, torch) although nothing is compiled.
        options = ["--no-build-isolation", "--use-pep517", "--no-binary", "basicsr", f"basicsr=={VERSION}"]
        code = run_pip([*options, *arguments], env=environment)
    if code == 0 and installed_version("basicsr") != VERSION:
        print(f"error: pip reported success, but basicsr {VERSION} is not in {sys.prefix}", file=sys.stderr)
        return 2
    if code == 0:
        print(f"basicsr {VERSION} is installed in {sys.prefix}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
