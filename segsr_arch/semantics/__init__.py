"""The method of SeG-SR: semantic features, localization and modulation. Knows torch, open_clip and peft alone."""

from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.guide import GuideView, SemanticGuide
from segsr_arch.semantics.signals import Signals
from segsr_arch.semantics.vision_tower import check_available

__all__ = ["GuideView", "SemanticGuide", "SemanticsConfig", "Signals", "check_available"]
