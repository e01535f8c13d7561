"""What can be done with a bundle: `python -m export COMMAND BUNDLE`, by the module whose `main` does it."""

COMMANDS = {
    "bench": "export.commands.bench",
    "build-engine": "export.commands.build_engine",
    "inspect": "export.commands.inspect",
    "pack": "export.commands.pack",
    "sign": "export.commands.sign",
    "triton": "export.commands.triton",
    "verify": "export.commands.verify",
}
