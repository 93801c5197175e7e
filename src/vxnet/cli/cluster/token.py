# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster token add|list|delete`: who may ask with a token, for programs."""

from __future__ import annotations

from typing import Annotated

import typer

from vxnet.cli.cluster.options import STORE, AnyRole, Project, StoreUrl, change, look
from vxnet.cli.options import Json
from vxnet.cli.output import columns, print_json, print_lines
from vxnet.cluster import accounts
from vxnet.cluster.records import Token
from vxnet.cluster.secrets import new_token, token_digest

app = typer.Typer(name="token", help="Who may ask with a token.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the token.")],
    project: Project,
    role: AnyRole,
    store: StoreUrl = STORE,
) -> None:
    """Make a token and print it. It is shown this once."""
    text = new_token()
    token = Token(digest=token_digest(text), name=name, project_id=project, role=role)
    change(store, lambda replica: accounts.add_token(replica, token), create=True)
    print(text)


@app.command("list")
def list_(store: StoreUrl = STORE, as_json: Json = False) -> None:
    """Show the tokens, also those of agents; not what they are."""
    rows = [
        {
            "id": accounts.token_id(token),
            "name": token.name,
            "project": token.project_id,
            "role": "agent" if token.host else token.role,
            "host": token.host,
        }
        for token in sorted(look(store).tokens, key=lambda token: (token.host, token.name, token.digest))
    ]
    if as_json:
        print_json(rows)
    else:
        head = ["ID", "NAME", "PROJECT", "ROLE", "HOST"]
        print_lines(columns([head, *([value or "-" for value in row.values()] for row in rows)]))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME|ID", help="A name, or an id; `token list` shows both.")],
    store: StoreUrl = STORE,
) -> None:
    """Delete a token. Nobody is let in with it any more."""
    change(store, lambda replica: accounts.delete_token(replica, name))
