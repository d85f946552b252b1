"""Console commands: ``basicsr`` (train and test with the stock loops) and ``segsr`` (everything else)."""
