"""What can be done with a recording of any format: a module for each command, which is imported when it is chosen."""

from rgbd.subcommands import Command

COMMANDS = {
    "inspect": Command("rgbd.commands.inspect", "say what it holds and what preprocessing makes of it, and draw it"),
    "annotate": Command("rgbd.commands.annotate", "draw what happens in it into a video"),
    "convert": Command("rgbd.commands.convert", "write it as one Matroska file that keeps everything"),
}
