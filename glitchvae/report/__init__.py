"""The report of a run of discovery: one page for people, tables and segments for programs."""

from glitchvae.report.page import render_report
from glitchvae.report.pictures import Pictures

__all__ = ["Pictures", "render_report"]
