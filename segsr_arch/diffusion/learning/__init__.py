"""What is learned beside the noise: contrast, and guidance in one evaluation."""
