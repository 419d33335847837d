"""``doctor``: looks at every part and says what to do, a line each; exit code 1 where one failed."""

import json
import logging
import os
import sys
from dataclasses import replace

import click

from bot import logs
from bot.doctor import examine
from bot.findings import Finding, as_facts, exit_code, summary
from bot.logs import HIDDEN, Redactor

SECRETS = ("GITHUB_TOKEN", "GITHUB_APP_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as a JSON list.")
def doctor(*, as_json: bool) -> None:
    """Check every part that Slipway needs, and say what to do. Writes nothing but a probe tag, deleted again."""
    secrets = tuple(value for name in SECRETS if (value := os.environ.get(name, "").strip()))
    logs.configure(Redactor(secrets), level=logging.ERROR)
    findings = []
    for found in examine(os.environ):
        finding = _hidden(found, secrets)
        findings.append(finding)
        if not as_json:
            click.echo(finding.line())
    click.echo(json.dumps(as_facts(findings), indent=2) if as_json else f"\n{summary(findings)}")
    sys.exit(exit_code(findings))


def _hidden(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    """The finding without secrets. Not by ``Redactor``, which blots out what follows the name of a variable."""
    for secret in secrets:
        finding = replace(
            finding, text=finding.text.replace(secret, HIDDEN), remedy=finding.remedy.replace(secret, HIDDEN)
        )
    return finding
