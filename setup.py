import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "segsr_arch/__init__.py").read_text("utf-8"), re.M).group(1)
PERCEPTUAL = ["torch-fidelity>=0.4", "transformers>=5.0"]
EXPORT = ["onnx>=1.17", "onnxscript>=0.3", "onnxruntime>=1.20"]
ZOO = ["spandrel>=0.4.2", "spandrel_extra_arches>=0.2"]

setup(
    name="segsr-arch",  # the distribution of the public code of SeG-SR is called segsr
    version=VERSION,
    description="Semantic-guided super-resolution of remote-sensing images, as a plugin of BasicSR",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[*find_packages(include=["segsr_arch", "segsr_arch.*"]), "segsr_arch.preparation.split_lists"],
    package_dir={"segsr_arch.preparation.split_lists": "datasets/splits"},
    package_data={
        "segsr_arch": ["py.typed"],
        "segsr_arch.preparation.split_lists": ["*.txt"],
        "segsr_arch.evaluation": ["*.txt"],
        "segsr_arch.evaluation.report": ["page/*"],
    },
    python_requires=">=3.10",
    install_requires=[
        # From 3.13 on its source archive does not build; segsr_arch/compat/install_basicsr.py installs it there.
        'basicsr==1.4.2; python_version < "3.13"',
        "torch>=2.7",
        "torchvision>=0.22",
        "open_clip_torch>=2.30",
        "peft>=0.14",
        "huggingface_hub",  # these two are bounded by open_clip and peft
        "safetensors",
        "opencv-python>=4.9",
        "lmdb>=1.4",
        "numpy>=1.26",
        "pillow>=10.1",
        "imagecodecs>=2024.6.1",  # decodes images; tifffile reads TIFF with it
        "tifffile>=2024.6.18",
        "pyyaml>=6.0.1",
        "tqdm>=4.66.1",
        "filelock>=3.24",  # from there on a lock file may be removed while others wait for it
        "torchmetrics>=1.7",  # the first with DISTS
        "scipy>=1.11",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        # basicsr imports distutils and TensorBoard imports pkg_resources: both come with setuptools below 82.
        "setuptools<82",
    ],
    extras_require={
        "perceptual": PERCEPTUAL,  # KID and CLIP-IQA
        "iqa": ["pyiqa>=0.1.16"],  # PolyForm Noncommercial
        "export": EXPORT,  # segsr export --format onnx
        "zoo": ZOO,  # networks for `type: spandrel/NAME`; those of the second have restrictive licences
        "test": [
            *PERCEPTUAL,
            *EXPORT,
            *ZOO,
            "pytest>=8",
            "pytest-xdist>=3.5",
            "hypothesis>=6.100",
            "selenium>=4.20",
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<2.5",
            "types-PyYAML",
            "types-tqdm",
            "types-jsonschema",
            "jsonschema>=4.20",
        ],
    },
    entry_points={
        "console_scripts": [
            "basicsr = segsr_arch.cli.basicsr:command",
            "segsr = segsr_arch.cli.segsr:main",
        ]
    },
)
