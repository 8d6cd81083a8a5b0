"""A trial that trains nothing: its metrics follow from the options, so that a search over it takes no time.

The accuracy after epoch n of ``--learning-rate R --augment A`` is ``R * n``, and a tenth more if A is strong. The environment
says which trials (counted from 1) go wrong: FAIL, NAN, HANG (after their first epoch) hold their numbers.
"""

import csv
import json
import os
import sys
import time
from pathlib import Path

EPOCHS = 4


def main() -> None:
    words = sys.argv[1:]
    options = dict(zip(words[2::2], words[3::2], strict=False))
    out = Path(options.get("--out") or options["--resume"])
    number = int(out.name.split("_")[1])
    out.mkdir(exist_ok=True)
    if "--resume" in options:
        options = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(options))
    with (out / "calls.txt").open("a") as file:
        file.write(" ".join(words) + "\n")
    print("progress 0%\rprogress 50%\nsomething else")
    if number in numbers("FAIL"):
        sys.exit("error: my_images: no images there.")
    rate = float(options["--learning-rate"]) * (1.1 if options.get("--augment") == "strong" else 1)
    rows = [{"phase": "train", "epoch": n, "val_accuracy": rate * n, "seconds": n} for n in range(1, EPOCHS + 1)]
    for count in range(1, EPOCHS + 1):
        with (out / "unfinished").open("w") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows[:count])
        (out / "unfinished").replace(out / "history.csv")
        if number in numbers("HANG"):
            time.sleep(600)
    accuracy = None if number in numbers("NAN") else rows[-1]["val_accuracy"]
    (out / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "seconds": 7.5}))


def numbers(name: str) -> set[int]:
    return set(map(int, os.environ.get(name, "").split()))


if __name__ == "__main__":
    main()
