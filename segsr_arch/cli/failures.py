"""What a command says when it fails, and its exit code: a sentence for what users can mend, else the traceback."""

import contextlib
import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator

from segsr_arch.errors import SegsrError
from segsr_arch.replacing import replaced
from segsr_arch.running.memory import is_out_of_memory

EXPLAINED = 2
UNREAD = 141  # 128 + SIGPIPE, as shells say it
TRACEBACK = "SEGSR_TRACEBACK"
"""Environment variable with which an explained failure shows its traceback, too."""

_ENDING_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_SPACE = "Free some space, or choose another folder."
_LIMIT = "Raise the limit (ulimit -n: open files, ulimit -u: processes), or run fewer processes."
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    getattr(errno, "EDQUOT", errno.ENOSPC): _SPACE,
    errno.EROFS: "Choose a folder that can be written to.",
    errno.EACCES: "Change the permissions, or choose another place.",
    errno.EPERM: "Change the permissions, or choose another place.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.EAGAIN: _LIMIT,
}
_MEMORY = "Use smaller images, a smaller batch or tiles (tile: in the option file), or fewer processes."


def tell_failure(error: BaseException) -> int | None:
    """Say on stderr what a user can do about an exception.

    Args:
        error: What has ended the command. Nobody to read the output (``| head``) is no failure and not talked about.

    Returns:
        The exit code; ``None`` if the exception is a defect, which the caller lets pass with its traceback.
    """
    if isinstance(error, BrokenPipeError):
        _close_output()
        return UNREAD
    text = _sentence(error)
    if text is None:
        return None
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exception(error)
    elif not isinstance(error, SegsrError):
        text = f"{text} ({TRACEBACK}=1 shows where it happened.)"
    print(f"error: {text}", file=sys.stderr)
    _close_output()
    return EXPLAINED


def _sentence(error: BaseException) -> str | None:
    text = own_text(error)
    if isinstance(error, SegsrError):
        return text
    if isinstance(error, OSError):
        places = ["TensorBoard's log"] * _is_of_tensorboard(error)
        places += [os.fsdecode(name) for name in (error.filename, error.filename2) if _is_path(name)]
        reason = error.strerror or text or type(error).__name__
        return " ".join([f"{': '.join([*places, reason])}.", *filter(None, [_REMEDIES.get(error.errno)])])
    if is_out_of_memory(error):
        return f"There is not enough memory ({text or 'no more was said'}). {_MEMORY}"
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return f"No more threads can be started. {_LIMIT}"
    return None


def _is_of_tensorboard(error: BaseException) -> bool:
    """Whether it failed in TensorBoard, whose errors name no file."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith("tensorboard.") for frame, _ in frames)


def _is_path(name: object) -> bool:
    return isinstance(name, (str, bytes, os.PathLike))


def own_text(error: BaseException) -> str:
    """Message of an error; if it comes from a worker of a data loader, without the traceback that torch puts in."""
    text = str(error)
    for name in (f"{type(error).__module__}.{type(error).__qualname__}: ", f"\n{type(error).__qualname__}: "):
        text = text.rsplit(name, 1)[-1]
    return text.strip()


def _close_output() -> None:
    """Let nothing more be written where it cannot be, or Python would complain when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """Write out at the end of a block, however it ends, what was printed in it: here a refusal is heard in time."""
    try:
        yield
    finally:
        sys.stdout.flush()


@contextlib.contextmanager
def told_once() -> Iterator[None]:
    """Say once that a log cannot be written, where ``logging`` would print a traceback for each of its lines.

    A thread that nothing is left for says nothing either: whoever waits for it tells the same error.
    """
    told: set[str] = set()
    stock = logging.Handler.handleError

    def handle_error(handler: logging.Handler, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            stock(handler, record)
            return
        place = getattr(handler, "baseFilename", "the log")
        if place not in told:
            told.add(place)
            with contextlib.suppress(OSError):
                print(f"warning: {place} cannot be written ({error.strerror}); it is not whole.", file=sys.stderr)

    thread_ended = threading.excepthook

    def end_thread(arguments: threading.ExceptHookArgs) -> None:
        if not issubclass(arguments.exc_type, OSError):
            thread_ended(arguments)

    with replaced(logging.Handler, "handleError", handle_error), replaced(threading, "excepthook", end_thread):
        yield


@contextlib.contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, end the block as Ctrl-C does, where Python allows it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heard = [number for number in _ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with contextlib.ExitStack() as stack:
        for number in heard:
            stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield
