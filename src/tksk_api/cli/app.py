"""The tree of commands. Each prints what it did; a failure says what to do next and exits with 1 or 2."""

import typer

from tksk_api.cli import attachments, database, demo, doctor, keys, serve, specification, users

app = typer.Typer(name="tksk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("migrate")(database.migrate)
app.command("openapi")(specification.openapi)
app.command("doctor")(doctor.doctor)

regions = typer.Typer(no_args_is_help=True, help="The packaged list of every region of Indonesia.")
regions.command("load")(database.load_regions_command)
regions.command("build")(database.build_regions)
app.add_typer(regions, name="regions")

user = typer.Typer(no_args_is_help=True, help="Users, for the first administrator and for emergencies.")
user.command("create")(users.create)
user.command("disable")(users.disable)
app.add_typer(user, name="users")

attachment = typer.Typer(no_args_is_help=True, help="Photos and papers, sealed in the vault.")
attachment.command("sweep")(attachments.sweep)
app.add_typer(attachment, name="attachments")

key = typer.Typer(no_args_is_help=True, help="The key file: master key and token signing keys.")
key.command("init")(keys.init)
app.add_typer(key, name="keys")
