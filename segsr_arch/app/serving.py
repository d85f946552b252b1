"""Serves the page: at the address that was asked for, with nothing sent elsewhere."""

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

from segsr_arch.app.desk import Desks
from segsr_arch.errors import ConfigError, DependencyError, first_line

_BYTES_A_PIXEL = 64  # eight bands of float64: what has more is refused while it arrives
_INSTALL = "Install it with: pip install 'segsr-arch[app]'"
_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",  # it asks itself whether it can be reached
}


@contextlib.contextmanager
def served(desks: Desks, *, host: str, port: int) -> Iterator[str]:
    """Serve the page for a block.

    Args:
        desks: What visitors find.
        host: Address that is listened at.
        port: Its port.

    Yields:
        Where the page is.

    Raises:
        DependencyError: If gradio is not installed.
        ConfigError: If nothing can listen there.
    """
    with _environment(**_QUIET, GRADIO_TEMP_DIR=str(desks.visits.received)):
        gradio, page = _imported("gradio"), _imported("segsr_arch.app.page")
        gradio.set_static_paths([desks.visits.kept])  # shown from where they lie, not from copies
        blocks = page.build(desks)
        try:
            with _told(host, port):
                blocks.launch(
                    server_name=host,
                    server_port=port,
                    prevent_thread_lock=True,
                    quiet=True,
                    share=False,
                    footer_links=[],
                    run_history=False,
                    enable_monitoring=False,
                    mcp_server=False,
                    ssr_mode=False,
                    pwa=False,
                    num_workers=1,
                    max_file_size=int(desks.most_megapixels * 1e6 * _BYTES_A_PIXEL),
                    **page.looks(),
                )
            yield f"http://{host}:{port}/"
        finally:
            blocks.close(verbose=False)


def check_installed() -> None:
    """Make sure that the library of the page is there, without the time that importing it takes.

    Raises:
        DependencyError: If it is not.
    """
    if importlib.util.find_spec("gradio") is None:
        raise DependencyError(f"segsr app needs gradio, which is not installed. {_INSTALL}")


def _imported(name: str) -> Any:
    """Import what needs gradio, which makes its folder for files as soon as it is imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DependencyError(f"segsr app needs gradio, which cannot be imported ({error}). {_INSTALL}") from error


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment for a block: gradio reads some whenever it needs them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    """Turn a refusal of the system into a sentence."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"--host {host} --port {port}: nothing can listen there ({error.strerror or first_line(error)}). Choose "
            f"another port, for a program may have this one, or an address that this machine has."
        ) from error
