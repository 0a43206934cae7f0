"""Sources and profile in, ranked opportunities out. Pure: no execution, no writes."""

from selfopt_pipelines.scanner.ranking import HeatProfile
from selfopt_pipelines.scanner.scan import scan

__all__ = ["HeatProfile", "scan"]
