"""Trained networks for use elsewhere: checkpoints in the form for inference, programs of torch.export and ONNX."""

ENDINGS = {"onnx": "onnx", "torch": "pt2"}
"""Kinds of programs, and how the names of their files end."""
