# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster user add|list|set-password|delete`: who may ask with a name and a password."""

from __future__ import annotations

from typing import Annotated

import typer

from vxnet.cli.cluster import password
from vxnet.cli.cluster.options import STORE, AnyRole, Project, StoreUrl, change, look
from vxnet.cli.options import Json
from vxnet.cli.output import columns, print_json, print_lines
from vxnet.cluster import accounts
from vxnet.cluster.records import User
from vxnet.cluster.secrets import hash_password

app = typer.Typer(name="user", help="Who may ask with a name and a password.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name, without a colon.")]


@app.command()
def add(
    name: Name, project: Project, role: AnyRole, password_file: password.PasswordFile, store: StoreUrl = STORE
) -> None:
    """Add a user; running servers let them in at once."""
    accounts.check_name("user", name, without=":")
    user = User(name, project, role, hash_password(password.read(password_file)))
    change(store, lambda replica: accounts.add_user(replica, user), create=True)


@app.command("list")
def list_(store: StoreUrl = STORE, as_json: Json = False) -> None:
    """Show the users."""
    users = sorted(look(store).users, key=lambda user: user.name)
    if as_json:
        print_json([{"name": user.name, "project": user.project_id, "role": user.role} for user in users])
    else:
        print_lines(
            columns([["NAME", "PROJECT", "ROLE"], *([user.name, user.project_id, user.role] for user in users)])
        )


@app.command("set-password")
def set_password(name: Name, password_file: password.PasswordFile, store: StoreUrl = STORE) -> None:
    """Give a user another password. The old one is not let in any more."""
    hashed = hash_password(password.read(password_file))
    change(store, lambda replica: accounts.set_password(replica, name, hashed))


@app.command()
def delete(name: Name, store: StoreUrl = STORE) -> None:
    """Delete a user. What the project has stays."""
    change(store, lambda replica: accounts.delete_user(replica, name))
