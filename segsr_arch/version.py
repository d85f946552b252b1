"""The version, alone: whoever asks for it need not wait for the package."""

__version__ = "0.6.0"
