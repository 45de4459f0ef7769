"""The program under test, and the pictures and models that every check may use. Everything lies in .interop/work and is made once."""

import json
import pathlib
import subprocess

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".interop" / "work"
PROGRAM = ROOT / "target" / "release" / "hallucinet"

TINY = ["model.recognizer_width=0.0625", "model.features=8", "model.hallucinator_channels=4", "model.hallucinator_units=1"]
# Settings of each model; "full" has the size of the paper's recogniser.
MODELS = {
    "fast": TINY + ["model.hallucinator=fast"],
    "residual": TINY + ["model.hallucinator=residual"],
    "srcnn": TINY + ["model.hallucinator=srcnn"],
    "full": ["model.recognizer_width=1", "model.features=512", "model.hallucinator_channels=64", "model.hallucinator_units=4"],
}


def hallucinet(*words):
    """Runs a command in the work folder and returns its JSON."""
    command = [str(PROGRAM), *map(str, words), "--json", "-q"]
    ran = subprocess.run(command, cwd=WORK, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {ran.returncode}: {ran.stderr}")
    return json.loads(ran.stdout)


def faces(identities=24, images=4):
    """A folder of drawn faces of 96x112, and the same at 24x28."""
    high, low = WORK / f"faces-{identities}x{images}", WORK / f"low-{identities}x{images}"
    if not low.exists():
        hallucinet("data", "synth", "--out", high, "--identities", identities, "--images", images)
        hallucinet("data", "degrade", high, "--out", low)
    return high, low


def model(name, steps=2):
    """A run folder; a few steps move every weight away from where it started."""
    run = WORK / name
    if not run.exists():
        sets = MODELS[name] + [f"train.steps={steps}", "train.batch=4"]
        words = [word for setting in sets for word in ("--set", setting)]
        hallucinet("train", "--preset", "quick", "--mode", "joint", "--data", faces()[0], "--out", run, *words)
    return run


def pictures(folder):
    """All pictures of a folder in the order of their paths: u8 [n, h, w, 3], decoded by Pillow."""
    return numpy.stack([numpy.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.rglob("*.png"))])


def units(pixels):
    """Network units, channels first: f32 [n, 3, h, w]."""
    return ((pixels.astype(numpy.float32) - 127.5) / 128).transpose(0, 3, 1, 2)


def embed(run, folder, name, *more):
    """The features that `embed` writes."""
    out = WORK / f"{name}.npy"
    hallucinet("embed", "--model", run, folder, "--out", out, *more)
    return numpy.load(out)


def hallucinated(run, folder, name):
    """The pictures that `hallucinate` writes."""
    out = WORK / name
    hallucinet("hallucinate", "--model", run, folder, "--out", out)
    return pictures(out)


def same(what, found, wanted, tolerance):
    """Says how far two arrays are apart, as a share of the largest number; more than the tolerance ends the check."""
    found, wanted = numpy.asarray(found, numpy.float64), numpy.asarray(wanted, numpy.float64)
    if found.shape != wanted.shape:
        raise SystemExit(f"{what}: {found.shape} is not {wanted.shape}")
    apart = numpy.abs(found - wanted).max() / max(numpy.abs(wanted).max(), 1e-30)
    print(f"{what:<58} {apart:.1e}")
    if not apart <= tolerance:
        raise SystemExit(f"{what}: {apart} is more than {tolerance}")


def same_pixels(what, found, pictures):
    """Whether u8 pictures are the rounded network units `pictures` [n, 3, h, w]; a value that lies on the edge may go either way."""
    scaled = 128 * pictures.astype(numpy.float64).transpose(0, 2, 3, 1) + 128
    wanted = numpy.clip(numpy.floor(scaled), 0, 255)
    edge = numpy.abs(scaled - numpy.rint(scaled)) < 1e-3
    wrong = (found != wanted) & ~edge
    print(f"{what:<58} {int(wrong.sum())} of {found.size} differ")
    if wrong.any():
        raise SystemExit(f"{what}: other pictures")
