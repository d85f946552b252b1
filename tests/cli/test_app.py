"""``segsr app``: what it refuses, where it listens, and that it leaves nothing behind and asks nobody."""

import contextlib
import json
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from segsr_arch.cli import app, segsr
from segsr_arch.errors import ConfigError, DependencyError
from tests.support import started

# Notes each address that is connected to, and each name that is looked up.
NOTED = """\
import sys
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = args[1] if event == "socket.connect" else args[0]
        with open(sys.argv[1], "a") as file:
            print(address[0] if isinstance(address, tuple) else address, file=file)
sys.addaudithook(note)
from segsr_arch.cli.segsr import main
sys.exit(main(sys.argv[2:]))
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def listening(port):
    """Addresses of this machine at which something listens at a port, as the kernel writes them."""
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def test_a_missing_gradio_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(DependencyError, match=r"^segsr app needs gradio, .*: pip install 'segsr-arch\[app\]'$"):
        app.run(segsr.build_parser().parse_args(["app"]))


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_that_lets_nothing_in_is_refused(limit):
    with pytest.raises(ConfigError, match=f"^--max-megapixels {limit}: must be more than 0.$"):
        app.run(segsr.build_parser().parse_args(["app", "--max-megapixels", limit]))


def test_a_network_that_is_not_there_is_told_before_the_page_is_served(capsys, tmp_path):
    pytest.importorskip("gradio", reason="gradio is not installed (pip install 'segsr-arch[app]')")
    assert segsr.main(["app", "--model", str(tmp_path / "missing.onnx")]) == 2
    printed = capsys.readouterr()
    assert "missing.onnx" in printed.err and "The page is at" not in printed.out


@pytest.mark.parametrize(
    ("host", "is_told"),
    [
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.7", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
    ],
)
def test_an_address_that_others_reach_is_warned_of(host, is_told, monkeypatch, capsys):
    @contextlib.contextmanager
    def nothing_served(*_, host, port):
        yield f"http://{host}:{port}/"

    monkeypatch.setattr(app, "check_installed", lambda: None)
    monkeypatch.setattr(app, "load_offered", lambda *_, **__: {"bicubic:2": None})
    monkeypatch.setattr(app, "served", nothing_served)
    monkeypatch.setattr(app.threading.Event, "wait", lambda _: None)
    assert app.run(segsr.build_parser().parse_args(["app", "--host", host])) == 0
    printed = capsys.readouterr()
    assert f"The page is at http://{host}:" in printed.out
    warning = f"warning: --host {host}: whoever reaches this machine can use the page; it asks for no password.\n"
    assert printed.err == (warning if is_told else "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="what listens where is read from Linux's /proc")
def test_it_listens_on_this_machine_alone_asks_nobody_and_leaves_nothing(tmp_path):
    pytest.importorskip("gradio", reason="gradio is not installed (pip install 'segsr-arch[app]')")
    port, notes = free_port(), tmp_path / "addresses"
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", NOTED, notes, "app", "--model", "bicubic:3", "--port", port]
    with started(command, cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"), HTTP_PROXY="http://proxy.invalid:1") as process:
        shipped = "aerial_x4, aerial_x3, aerial_x2, aerial_real_x4"
        assert process.stdout.readline() == f"Networks: bicubic:3, {shipped}, bicubic:4, bicubic:2\n"
        assert process.stdout.readline() == f"The page is at http://127.0.0.1:{port}/ (Ctrl-C ends it).\n"
        assert listening(port) == {"0100007F"}
        assert len(list((tmp_path / "tmp").iterdir())) == 1
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/config") as answer:
            assert json.loads(answer.read())["title"] == "SeG-SR"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Interrupted. The page is closed, and the files of its visitors are removed." in errors
    assert list((tmp_path / "tmp").iterdir()) == []
    assert set(notes.read_text().split()) <= {"127.0.0.1", "localhost"}
