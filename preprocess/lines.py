"""Text files, line by line."""


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text, without their ends: \n or \r\n.

    `str.splitlines` ends a line at other characters too, such as U+2028, which names of files and classes may have.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]
