#!/usr/bin/env python3
"""This program beside OpenVINO, onnxruntime and torch.compile on the same processor, in turns. One JSON record on stdout.

  cargo build --release && python3 benches/peers.py --peers ../shared/bench --threads 1 2 --rounds 2 > record.json

Needs torch, onnx, onnxruntime and openvino (make interop installs them into .interop; use its python). A round runs every program
once, one after another, each in a process of its own; a ratio is taken between two medians of one round, so that what
changes on the machine between rounds falls out of it. The networks are those of configs/paper.toml, which is net.py of the
peers' scripts; the row `fast` is the same with hallucinator = "fast", exported by this program. `clean` in a peer's row counts the
repeats that no other process disturbed (quiet.py): fewer than `repeats` means that the machine was not quiet.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--peers", default="../shared/bench", help="folder of ort_cpu.py, torch_cpu.py and net.py")
ap.add_argument("--hallucinet", default="target/release/hallucinet")
ap.add_argument("--threads", type=int, nargs="*", default=[1, 2])
ap.add_argument("--rounds", type=int, default=2)
ap.add_argument("--only", nargs="*", default=["infer", "fast", "train"], choices=["infer", "fast", "train"])
a = ap.parse_args()
# What issue 6 asks for: work, batch, our precision, peer, least ratio.
GOALS = [("hallucinate+embed", b, "f32", peer, least) for b in (1, 32)
         for peer, least in (("ov-fp32", 2.6), ("ort-fp32", 3.5), ("ov-bf16", 1.3))]
GOALS += [("fast hallucinate+embed", 1, "f32", "ov-bf16", 1.1), ("fast hallucinate+embed", 1, "bf16", "ov-bf16", 1.1)]
GOALS += [("train-step", 8, "f32", "compile-fp32", 3.0), ("train-step", 8, "f32", "compile-bf16", 1.5)]
REPEATS = 5
FAST = ["--set", "model.hallucinator=fast"]
commands = []


def output(command):
    """What a program writes; it must succeed."""
    commands.append(" ".join(command))
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, PYTHONWARNINGS="ignore"))
    if done.returncode:
        sys.exit(f"{commands[-1]}\n{done.stderr[-2000:]}")
    return done.stdout


def ours(threads, batch, precision="f32", more=()):
    """Images per second, medians of as many processes as a peer has repeats: on a virtual machine a process that got memory which
    the host had just given back runs a third slower, and the peers' processes live long enough to see that end."""
    row = ["--preset", "paper", "--device", "cpu", "--threads", str(threads), "--batch", str(batch), "--precision", precision]
    command = [a.hallucinet, "bench", *row, "--identities", "10575", "--json", "-q", *more]
    found = {}
    for row in (row for _ in range(REPEATS) for row in json.loads(output(command))["rows"]):
        found.setdefault(row["name"], []).append(row["images_per_second"]["median"])
    return {name: statistics.median(speeds) for name, speeds in found.items()}


def peers(script, threads, *more):
    command = [sys.executable, os.path.join(a.peers, script), "--threads", str(threads), "--repeats", str(REPEATS), "--patience-s", "20", *more]
    # Exporters print as well; a row is a line of JSON.
    return [json.loads(line) for line in output(command).splitlines() if line.startswith('{"mode"')]


def fast_onnx(folder):
    """Exports the cascade with the fast hallucinator as FOLDER/joint-b1.onnx with its probe, the names that ort_cpu.py looks for."""
    import numpy, onnx
    run, out = os.path.join(folder, "run"), os.path.join(folder, "out")
    faces = folder + "/faces"
    output([a.hallucinet, "data", "synth", "--out", faces, "--identities", "10", "--images", "2", "-q"])
    tiny = ["--set", "train.steps=1", "--set", "train.batch=2", "--set", "train.eval_every=0", "-q"]
    output([a.hallucinet, "train", "--preset", "paper", "--data", faces, "--out", run, *FAST, *tiny])
    output([a.hallucinet, "export", "--model", run, "--format", "onnx", "--out", out, "-q"])
    model = onnx.load(os.path.join(out, "cascade.onnx"))
    x = numpy.random.default_rng(1).standard_normal((1, 3, 28, 24)).astype(numpy.float32)
    renamed = dict(zip([value.name for value in model.graph.input], ["lr"]))
    renamed.update(zip([value.name for value in model.graph.output], ["hr", "feat"]))
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    for value in [*model.graph.input, *model.graph.output]:
        value.name = renamed[value.name]
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, os.path.join(folder, "joint-b1.onnx"))
    import onnxruntime
    session = onnxruntime.InferenceSession(os.path.join(folder, "joint-b1.onnx"), providers=["CPUExecutionProvider"])
    numpy.savez(os.path.join(folder, "joint-b1.npz"), x=x, y=session.run(["feat"], {"lr": x})[0])
    return os.path.join(folder, "joint")


def one_round(threads, fast, paper):
    """Images per second by (work, batch, precision or peer)."""
    speeds, rows = {}, []

    def theirs(work, batch, *command):
        found = peers(command[0], threads, *command[1:])
        rows.extend(dict(row, work=work) for row in found)
        speeds.update({(work, batch, row.get("engine") or row["variant"]): row["img_s_median"] for row in found})

    if "infer" in a.only:
        for batch in (1, 32):
            theirs("hallucinate+embed", batch, "ort_cpu.py", "--batches", str(batch), "--onnx", paper)
            speeds[("hallucinate+embed", batch, "f32")] = ours(threads, batch)["hallucinate+embed"]
    if fast:
        theirs("fast hallucinate+embed", 1, "ort_cpu.py", "--batches", "1", "--onnx", fast, "--engines", "ov-bf16")
        for precision in ("f32", "bf16"):
            speeds[("fast hallucinate+embed", 1, precision)] = ours(threads, 1, precision, FAST)["hallucinate+embed"]
    if "train" in a.only:
        variants = ["--mode", "train", "--variants", "compile-fp32", "compile-bf16", "--train-batch", "8"]
        theirs("train-step", 8, "torch_cpu.py", *variants)
        speeds[("train-step", 8, "f32")] = ours(threads, 8)["train-step"]
    return speeds, rows


with tempfile.TemporaryDirectory() as folder:
    fast = fast_onnx(folder) if "fast" in a.only else None
    rounds = []
    for number in range(a.rounds):
        for threads in a.threads:
            speeds, rows = one_round(threads, fast, os.path.join(folder, "paper"))
            rounds.append(dict(threads=threads, round=number + 1, load=os.getloadavg(), peers=rows,
                               images_per_second={f"{work}, batch {batch}, {who}": speed for (work, batch, who), speed in speeds.items()}))
            print(json.dumps(rounds[-1]["images_per_second"]), file=sys.stderr, flush=True)

table = []
for threads in a.threads:
    own = [found["images_per_second"] for found in rounds if found["threads"] == threads]
    for work, batch, precision, peer, least in GOALS:
        pairs = [(found.get(f"{work}, batch {batch}, {precision}"), found.get(f"{work}, batch {batch}, {peer}")) for found in own]
        ratios = [us / them for us, them in pairs if us and them]
        if ratios:
            table.append(dict(work=work, batch=batch, threads=threads, precision=precision, peer=peer, least=least,
                              ratio=round(statistics.median(ratios), 3), ratios=[round(ratio, 3) for ratio in ratios],
                              ours=statistics.median(us for us, _ in pairs if us), peers=statistics.median(them for _, them in pairs if them)))
cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
print(json.dumps(dict(made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), commit=commit, cpu=cpu, cores=os.cpu_count(), table=table,
                      rounds=rounds, commands=sorted(set(commands))), indent=1))
