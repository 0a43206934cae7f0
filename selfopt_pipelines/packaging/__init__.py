"""Evidence bundles: what was measured, and the way to recompute the verdict from it."""

from selfopt_pipelines.packaging.bundle import build_bundle
from selfopt_pipelines.packaging.replay import ReplayResult, replay

__all__ = ["ReplayResult", "build_bundle", "replay"]
