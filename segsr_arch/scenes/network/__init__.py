"""What upscales a scene: networks, programs and other callables, checked, eightfold, or guided by the scene."""
