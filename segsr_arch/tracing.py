"""What torch is doing with a network while its code runs."""

import torch


def is_exporting() -> bool:
    """Whether ``torch.export`` or the translation to ONNX traces this, and not ``torch.compile``.

    ``torch.compiler.is_exporting`` alone says yes to ``torch.compile`` as well in torch 2.11 (no longer in 2.14), and a
    compiled network would get what is meant for programs of any size: attention that stores all scores, and sizes as
    tensors.
    """
    return torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
