"""What real recordings are recognised, and what each choice of the recipe is worth.

Run: `python -m benchmarks.real_accuracy --data DATA`, where DATA is UTD-MHAD, preprocessed without its skeletons. All
choices are made among the training performers: each is trained three times, with another seed and another performer
left out, by a shorter schedule (`--epochs`). `--final` trains both recipes on the published split, three seeds each,
and evaluates the last epoch's weights on the test performers, once. It takes a day on two cores; what is finished is
in the file of results, and is not done again: the command can be stopped, repeated. `--only` does some, `--table`
prints what there is.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.support.folds import Lists, share_of
from benchmarks.support.training_runs import Results, Run, in_percent, train_all

CONFIG = Path("configs/UTD-MHAD.yml")
SMALL_CONFIG = Path("configs/UTD-MHAD-small.yml")
RESULTS = Path("benchmarks/results/utd_mhad.jsonl")
RECIPE = "the recipe"
# What differs from the small recipe, by what it is about. Clips of 16 frames, 64x64.
CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "": {RECIPE: ()},
    "start": {"from nothing": ("start=null",)},
    "augmentation": {
        "none but the crop": (
            *("augment.rotated=0", "augment.span=[1,1]", "augment.zoom=[1,1]"),
            *("augment.viewpoint.probability=0", "augment.depth_noise.probability=0"),
        ),
        "without viewpoints": ("augment.viewpoint.probability=0",),
        "without zoom": ("augment.zoom=[1,1]",),
        "without spans": ("augment.span=[1,1]",),
        "with noise of the sensor": ("augment.depth_noise.probability=0.5",),
        "with MixUp": ("augment.mixup=0.4",),
    },
    "frames": {
        "8": ("clip.num_frames=8", "network.branch_frames=[2,4,6]"),
        "32": ("clip.num_frames=32", "network.branch_frames=[8,16,24]", "network.guidance_window=8"),
    },
    "size": {"96": ("clip.size=96",), "128": ("clip.size=128",)},
    "depth as": {"grey": ("clip.depth.colors=grey",), "jet": ("clip.depth.colors=jet",)},
    "crop": {"whole width": ("clip.crop=[320,240]",), "tight": ("clip.crop=[192,240]",)},
    "method": {
        "without guidance": ("network.guidance=false",),
        "without recoupling": ("network.recoupling=false",),
        "one scale": ("network.branch_frames=[8,8,8]",),
        "without distillation": ("loss.distillation=0",),
        "plain mean over time": ("network.name=benchmarks.support.plain_mean:FAMILY",),
    },
}
SHARES = (0.1, 0.25, 0.5)  # of the training clips
SEEDS = (0, 1, 2)


def screening(lists: Lists, out: Path, epochs: int) -> dict[tuple[str, str], list[Run]]:
    """Return the runs of each choice, by what it is about and its name."""
    runs: dict[tuple[str, str], list[Run]] = {}
    classes = range(len(lists.class_names))
    for seed, performer in zip(SEEDS, lists.performers, strict=False):
        rest, held = lists.leave_out(performer)
        common = (f"seed={seed}", f"schedule.epochs={epochs}")
        data = lists.write(out / "folds" / f"{seed}", rest, held, classes)
        for about, choices in CHOICES.items():
            for name, settings in choices.items():
                run = Run(_slug("screening", about, name, str(seed)), data, (*common, *settings))
                runs.setdefault((about, name), []).append(run)
        for share in SHARES:
            data = lists.write(out / "folds" / f"{seed}-{share}", share_of(rest, share, seed), held, classes)
            longer = f"schedule.epochs={round(epochs / share)}"  # as many steps
            run = Run(_slug("screening", "clips", str(share), str(seed)), data, (*common, longer))
            runs.setdefault(("training clips", f"{share:.0%}"), []).append(run)
    return runs


def final(lists: Lists, name: str) -> list[Run]:
    """Return the runs of a whole recipe on the published split."""
    return [Run(_slug("final", name, str(seed)), lists.root, (f"seed={seed}",)) for seed in SEEDS]


def table_of(title: str, rows: dict[tuple[str, str], list[Run]], results: Results) -> Table:
    """Return the accuracies that there are, in %, of the averaged weights and of those of the last step."""
    table = Table("", title, "top-1 %", "weights not averaged", "runs", box=None)
    for (about, name), runs in rows.items():
        found = [figures for run in runs if (figures := results.find(run)) is not None]
        if found:
            averaged = [figures["averaged_top1"] for figures in found if "averaged_top1" in figures]
            last = in_percent([figures["top1"] for figures in found])
            table.add_row(about, name, in_percent(averaged) if averaged else last, last, str(len(found)))
    return table


def _slug(*words: str) -> str:
    return "-".join(word.replace(" ", "-") for word in words if word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what preprocess.utd_mhad wrote")
    parser.add_argument("--out", type=Path, default=Path("runs/real_accuracy"), help="where runs are (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of figures (%(default)s)")
    parser.add_argument("--epochs", type=int, default=30, help="of a choice's training (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these choices, by the beginning of their names")
    parser.add_argument("--final", action="store_true", help="train the whole recipes, and evaluate them once")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    lists = Lists("utd_mhad", options.data.resolve(), "CS")
    console = Console(width=100)
    recipes = {"large": CONFIG, "small": SMALL_CONFIG} if options.final else {"": SMALL_CONFIG}
    for name, recipe in recipes.items():
        results = Results(options.results, recipe)
        rows = {("", name): final(lists, name)} if options.final else screening(lists, options.out, options.epochs)
        if options.only:
            rows = {key: runs for key, runs in rows.items() if key[1].startswith(tuple(options.only))}
        if not options.table:
            by_seed = [run for group in zip(*rows.values(), strict=True) for run in group]  # every choice once, first
            train_all(by_seed, recipe, options.out, results)
        console.print(table_of("published split" if options.final else "performers left out", rows, results))


if __name__ == "__main__":
    main()
