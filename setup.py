"""What pyproject.toml cannot say: packages that are found, and one more that lies elsewhere."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["segsr_arch", "segsr_arch.*"]), "segsr_arch.preparation.split_lists"])
