"""The tree of commands. Each prints what it did; a failure says what to do next and exits with 1 or 2."""

import typer

from tksk_api.cli import (
    attachments,
    audit,
    database,
    demo,
    doctor,
    export,
    import_,
    keys,
    letter_keys,
    master_keys,
    notifications,
    privacy,
    retention,
    seed,
    serve,
    specification,
    statistics,
    users,
    verify_qr,
)

app = typer.Typer(name="tksk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("migrate")(database.migrate)
app.command("openapi")(specification.openapi)
app.command("doctor")(doctor.doctor)
app.command("seed")(seed.seed)
app.command("import")(import_.import_file)
app.command("export")(export.export_list)

regions = typer.Typer(no_args_is_help=True, help="The packaged list of every region of Indonesia.")
regions.command("load")(database.load_regions_command)
regions.command("build")(database.build_regions)
app.add_typer(regions, name="regions")

user = typer.Typer(no_args_is_help=True, help="Users, for the first administrator and for emergencies.")
user.command("create")(users.create)
user.command("reset")(users.reset)
user.command("disable")(users.disable)
user.command("enable")(users.enable)
app.add_typer(user, name="users")

attachment = typer.Typer(no_args_is_help=True, help="Photos and papers, sealed in the vault.")
attachment.command("sweep")(attachments.sweep)
app.add_typer(attachment, name="attachments")

key = typer.Typer(no_args_is_help=True, help="The key file: master key and token signing keys.")
key.command("init")(keys.init)
key.command("list")(keys.show)
key.command("rotate")(keys.rotate)
key.command("revoke")(keys.revoke)
key.command("rotate-master")(master_keys.rotate)
key.command("retire-master")(master_keys.retire)
letter_key = typer.Typer(no_args_is_help=True, help="The keys that sign the QR codes of letters.")
letter_key.command("list")(letter_keys.show)
letter_key.command("rotate")(letter_keys.rotate)
letter_key.command("revoke")(letter_keys.revoke)
key.add_typer(letter_key, name="letters")
app.add_typer(key, name="keys")

app.command("verify-qr", cls=verify_qr.Checked)(verify_qr.verify_qr)

app.command("retention")(retention.retention)

message = typer.Typer(no_args_is_help=True, help="Messages that leave by a gateway: those that could not.")
message.command("list")(notifications.list_messages)
message.command("retry")(notifications.retry)
app.add_typer(message, name="notifications")

figures = typer.Typer(no_args_is_help=True, help="The figures: are they what the rows say?")
figures.command("verify")(statistics.verify)
figures.command("rebuild")(statistics.rebuild)
app.add_typer(figures, name="statistics")

rights = typer.Typer(no_args_is_help=True, help="Erasures and legal holds (UU 27/2022).")
rights.command("list")(privacy.list_erasures)
rights.command("reapply")(privacy.reapply)
rights.command("hold")(privacy.hold)
rights.command("release")(privacy.release)
app.add_typer(rights, name="privacy")

log = typer.Typer(no_args_is_help=True, help="The access log: seal it, check it, print the anchor of a day.")
log.command("seal")(audit.seal)
log.command("verify")(audit.verify)
log.command("anchor")(audit.anchor)
app.add_typer(log, name="audit")
