import sys

import mssd_distillation
import torch


def test_a_student_that_was_not_trained_is_off_by_all_that_guidance_changes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mssd_distillation.py", "--teacher-steps", "12", "--steps", "12"])
    monkeypatch.setattr(mssd_distillation, "_MEASURED", 16)
    mssd_distillation.main()
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("0 steps, ") and last.startswith("12 steps, ")
    assert ": 1.000 at w = 1.5, 1.000 at w = 3, 1.000 at w = 5, 1.000 at w = 9 (" in first
    assert "1.000 at w = 9" not in last  # it is trained


def test_captions_name_a_tint_that_the_lr_image_does_not_show():
    lq, hr, captions = mssd_distillation.make_batch(3, 64)
    beyond = (hr - torch.nn.functional.interpolate(lq, scale_factor=2, mode="bicubic")).mean((2, 3))
    red, green, blue = (beyond[[caption.startswith(word) for caption in captions]] for word in ("red", "green", "blue"))
    for place, group in enumerate((red, green, blue)):
        assert len(group) > 8 and (group.argmax(1) == place).all()
