"""The report: evaluations as one HTML file with tables, a before/after slider, maps, curves and configuration."""

from segsr_arch.evaluation.report.report_file import Report, write_report

__all__ = ["Report", "write_report"]
