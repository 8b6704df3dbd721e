"""Report of a discovery run: one HTML page, and tables and segments for programs."""

from glitchvae.report.page import render_report
from glitchvae.report.pictures import Pictures
from glitchvae.report.writing import Vetoes, score_vetoes, summarise, write_report

__all__ = ["Pictures", "Vetoes", "render_report", "score_vetoes", "summarise", "write_report"]
