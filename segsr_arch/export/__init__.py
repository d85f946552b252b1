"""Trained networks for use elsewhere: checkpoints in the form for inference, programs of torch.export and ONNX."""
