"""How an LR image and words steer a UNet, at which weight, and when a step need not be computed."""
