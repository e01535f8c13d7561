"""`python -m preprocess.custom`: your own recordings, named in a manifest -> what training reads."""

from preprocess.custom.dataset import main
from rgbd.terminal import run_command

if __name__ == "__main__":
    run_command(main)
