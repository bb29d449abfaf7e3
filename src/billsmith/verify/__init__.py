"""SQL over raw tables that proves every stored figure. Imports no rule."""

from billsmith.verify.reading import Check, read_checks
from billsmith.verify.report import CheckResult, Difference, Progress, Report
from billsmith.verify.run import verify

__all__ = ["Check", "CheckResult", "Difference", "Progress", "Report", "read_checks", "verify"]
