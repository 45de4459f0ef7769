"""Per-layer figures of the ops benches before and after, as criterion measured them, with what the cost model predicted: one JSON record.

  git worktree add ../before COMMIT && (cd ../before && cargo bench --bench ops --no-run)     # prints the path of the program
  cargo bench --bench ops --no-run
  python3 benches/compare.py --before ../before/target/release/deps/ops-... --after target/release/deps/ops-... > record.json

Both programs take turns, layer by layer, on the same core; a figure is the smaller of the medians of its rounds. Nothing but the standard
library.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import tempfile

ap = argparse.ArgumentParser()
ap.add_argument("--before", required=True)
ap.add_argument("--after", required=True)
ap.add_argument("--filter", default="conv/", help="criterion's filter; layers of this room")
ap.add_argument("--cpus", default="0", help="as for taskset; the program uses so many threads")
ap.add_argument("--rounds", type=int, default=2)
ap.add_argument("--ghz", type=float, required=True, help="the core's clock, for the predictions, which are in cycles")
a = ap.parse_args()


def run(program, *more):
    env = {**os.environ, "CRITERION_HOME": home}
    return subprocess.run(["taskset", "-c", a.cpus, program, *more], check=True, capture_output=True, text=True, env=env).stdout


def named(program):
    listed = run(program, "--bench", "--list")
    return [line.removesuffix(": benchmark") for line in listed.splitlines() if line.startswith(a.filter)]


def measured(program, name):
    """Milliseconds and what was printed on the way."""
    printed = run(program, "--bench", "--exact", name)
    files = [f for f in pathlib.Path(home).rglob("new/benchmark.json") if json.loads(f.read_text())["full_id"] == name]
    return json.loads((files[0].parent / "estimates.json").read_text())["median"]["point_estimate"] / 1e6, printed


def predictions(printed):
    """The cheapest way of every layer and job by the cost model, in ms on one core."""
    found = {}
    for layer, job, ways in re.findall(r"^conv (\S+) (\w+) on one core of the cpu, in millions of cycles: (.*)$", printed, re.M):
        op = {"Forward": "conv", "Data": "conv_data", "Filter": "conv_filter"}[job]
        cycles = [(float(way.split()[-1]), way.rsplit(" ", 1)[0]) for way in ways.split(", ")]
        found[f"conv/{op}/{layer}"] = min(cycles)
    return found


with tempfile.TemporaryDirectory() as home:
    names = [name for name in named(a.before) if name in set(named(a.after))]
    rows = {}
    for _ in range(a.rounds):
        for name in names:
            for which, program in [("before", a.before), ("after", a.after)]:
                ms, printed = measured(program, name)
                row = rows.setdefault(name, {})
                row[which] = min(ms, row.get(which, ms))
                if which == "after":
                    predicted = predictions(printed)
    device = next(line for line in printed.splitlines() if line.startswith("device"))

layers = []
for name, row in rows.items():
    line = {"bench": name, "before_ms": round(row["before"], 4), "after_ms": round(row["after"], 4)}
    line["faster"] = round(row["before"] / row["after"], 2)
    if name in predicted:
        cycles, way = predicted[name]
        line |= {"predicted_ms_on_one_core": round(cycles / a.ghz, 4), "predicted_way": way}
    layers.append(line)
print(json.dumps({
    "date": datetime.date.today().isoformat(), "device": device, "cpus": a.cpus, "rounds": a.rounds, "ghz": a.ghz, "layers": layers,
}, indent=1))
