"""Scenes that are drawn, for demonstrations and tests."""
