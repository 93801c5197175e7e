# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster ...`: what the OpenStack client has no word for. A file for each group of commands."""

from __future__ import annotations

import typer

from vxnet.cli.cluster import agent_token, backup, check, token, user

app = typer.Typer(
    name="cluster",
    help="Users, tokens, checks and backups of a cluster: in its store, beside running servers.",
    no_args_is_help=True,
)
app.add_typer(user.app)
app.add_typer(token.app)
app.command("agent-token")(agent_token.agent_token)
app.command("check")(check.check)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
