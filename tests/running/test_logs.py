import logging
import warnings

import pytest

from segsr_arch.running import logs
from segsr_arch.running.logs import errors_only, nothing_shown


def test_messages_reach_basicsrs_log_file_once(tmp_path, monkeypatch):
    logs.connect()
    logs.connect()
    basicsr = logging.getLogger("basicsr")
    handler = logging.FileHandler(tmp_path / "run.log")
    monkeypatch.setattr(basicsr, "handlers", [handler])
    logging.getLogger("segsr_arch.semantics.somewhere").warning("weights are random")
    handler.close()
    assert (tmp_path / "run.log").read_text().count("weights are random") == 1


def test_names_cannot_act_on_the_terminal_in_which_a_log_is_read(tmp_path, monkeypatch):
    logs.connect()
    basicsr = logging.getLogger("basicsr")
    handler = logging.FileHandler(tmp_path / "run.log")
    monkeypatch.setattr(basicsr, "handlers", [handler])
    basicsr.warning("loading %s from\n%s", "a\x1b[2J.png", "海滩\udce9")
    logging.getLogger("segsr_arch.somewhere").warning("no %s", "b\x1b[2J.png")
    handler.close()
    assert (tmp_path / "run.log").read_text().splitlines() == [
        "loading a\\x1b[2J.png from",
        "海滩\\udce9",
        "no b\\x1b[2J.png",
    ]


def test_before_basicsr_is_set_up_warnings_reach_the_screen(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger("basicsr"), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logging.getLogger("segsr_arch.compat").warning("fell back to the CPU")
    assert "fell back to the CPU" in capsys.readouterr().err


def test_every_level_that_basicsr_logs_reaches_its_log_and_no_other(monkeypatch, tmp_path):
    logs.connect()
    basicsr = logging.getLogger("basicsr")
    handler = logging.FileHandler(tmp_path / "run.log")
    monkeypatch.setattr(basicsr, "handlers", [handler])
    logger = logging.getLogger("segsr_arch.archs.somewhere")
    for level, text in ((logging.INFO, "by the first process"), (logging.ERROR, "by another")):
        monkeypatch.setattr(basicsr, "level", level)
        logger.info("information %s", text)
        logger.warning("warning %s", text)
    handler.close()
    assert (tmp_path / "run.log").read_text().splitlines() == [
        "information by the first process",
        "warning by the first process",
    ]


def test_errors_only_while_a_block_runs_and_the_level_is_what_it_was(caplog):
    above, below = logging.getLogger("some.room"), logging.getLogger("some.room.module")
    above.setLevel(logging.INFO)
    with pytest.raises(ZeroDivisionError), errors_only("some.room", "some.other"):
        below.warning("kept back")
        below.error("said")
        raise ZeroDivisionError
    below.info("said again")
    assert caplog.messages == ["said", "said again"] and above.level == logging.INFO


def test_nothing_is_shown_of_a_block(capsys, recwarn):
    with nothing_shown():
        print("printed")
        warnings.warn("warned", UserWarning, stacklevel=1)
    print("seen")
    assert capsys.readouterr().out == "seen\n" and not list(recwarn)
