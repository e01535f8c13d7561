"""`python -m preprocess.ntu`: raw NTU RGB+D recordings -> what training reads."""

from preprocess.ntu.dataset import main
from rgbd.terminal import run_command

if __name__ == "__main__":
    run_command(main)
