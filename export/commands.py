"""What can be done with a bundle: `python -m export COMMAND BUNDLE`, by the module whose `main` does it."""

COMMANDS = {
    "bench": "export.bench",
    "build-engine": "export.build_engine",
    "inspect": "export.inspect",
    "pack": "export.pack",
    "sign": "export.sign",
    "triton": "export.triton",
    "verify": "export.verify",
}
