"""What can be done with a bundle: a module for each command, which is imported when it is chosen."""

from rgbd.subcommands import Command

CREATE = Command("export.commands.create", "make a bundle of a checkpoint")  # where none is named

COMMANDS = {
    "bench": Command("export.commands.bench", "time its artifacts side by side"),
    "build-engine": Command("export.commands.build_engine", "build engines for this GPU before a service starts"),
    "events": Command("export.commands.events", "count how well events are found in long recordings"),
    "inspect": Command("export.commands.inspect", "print what is in it, after checking every hash"),
    "pack": Command("export.commands.pack", "write it as one .zip"),
    "sign": Command("export.commands.sign", "sign it, or make keys for that"),
    "timeline": Command("export.commands.timeline", "say what happens in a long recording, and when"),
    "triton": Command("export.commands.triton", "write a model repository for NVIDIA Triton"),
    "verify": Command("export.commands.verify", "compare it with PyTorch again, and measure"),
}
