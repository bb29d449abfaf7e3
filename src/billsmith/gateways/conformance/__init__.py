"""The conformance suite: what every gateway promises. A plugin's author runs it in a test of their own:

    findings = await run(make_stage)
    assert [finding for finding in findings if finding.verdict == "failed"] == []

A `Stage` is the gateway, an account in its sandbox, and the ways to bring situations about there.
"""

from billsmith.gateways.conformance.stage import Situation, Stage, Webhook
from billsmith.gateways.conformance.suite import CHECKS, Finding, run

__all__ = ["CHECKS", "Finding", "Situation", "Stage", "Webhook", "run"]
