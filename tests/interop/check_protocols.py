"""Clips, mean-subtraction, PCA, galleries and calibrations, against NumPy and scikit-learn: from the features that `embed` writes.

The network has hardly been trained, so its scores are as good as random: neither perfect nor useless.
"""

import csv

import numpy
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from program import WORK, faces, hallucinet, model

IDENTITIES, IMAGES, FOLDS = 30, 4, 5
RUN = model("fast")
# The features are of f32, and so is what a projection gives.
CLOSE = 1e-5


def features():
    """`[f(x), f(flip x)]` of every drawn face, in the order of their paths, with their paths."""
    tree = faces(IDENTITIES, IMAGES)[0]
    out = WORK / "protocols.npy"
    names = hallucinet("embed", "--model", RUN, tree, "--mirror", "--input", "hr", "--out", out)["names"]
    return names, numpy.load(out).astype(float)


NAMES, FEATURES = features()


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=-1, keepdims=True)


def check_clips():
    """Two frames a clip, two clips a person; a fold is judged by what the others show."""
    tree = WORK / "clips"
    for name in NAMES:
        person, image = name.split("/")[0], int(name.split("/")[1][:-4])
        clip = tree / person / str(image // 2)
        clip.mkdir(parents=True, exist_ok=True)
        target = clip / f"{image}.png"
        if not target.exists():
            target.hardlink_to(faces(IDENTITIES, IMAGES)[0] / name)
    pooled = unit(unit(FEATURES).reshape(IDENTITIES, 2, 2, -1).mean(2))
    pairs = []
    for person in range(IDENTITIES):
        fold, other = 1 + person % FOLDS, (person + FOLDS) % IDENTITIES
        pairs += [(fold, (person, 0), (person, 1), 1), (fold, (person, 0), (other, 1), 0)]
    pairs.sort()
    line = lambda at, pair: f"{pair[0]}, {at}, id{pair[1][0]:05}/{pair[1][1]}, id{pair[2][0]:05}/{pair[2][1]}, {pair[3]}"
    (WORK / "splits.txt").write_text("\n".join(line(at + 1, pair) for at, pair in enumerate(pairs)))
    fold, same = numpy.array([pair[0] for pair in pairs]), numpy.array([pair[3] == 1 for pair in pairs])
    both = [numpy.array([pooled[pair[side]] for pair in pairs]) for side in (1, 2)]
    for name, way, components in [("plain", [], None), ("mean", ["--mean-subtraction"], 0), ("pca", ["--pca", "6"], 6)]:
        expected, right = numpy.zeros(len(pairs)), []
        for number in range(1, FOLDS + 1):
            own = fold == number
            project = lambda rows: rows
            if components is not None:
                fit = numpy.concatenate([side[~own] for side in both])
                project = PCA(components, svd_solver="full").fit(fit).transform if components else lambda rows: rows - fit.mean(0)
            a, b = (unit(project(side)) for side in both)
            scores = (a * b).sum(1)
            grid = numpy.linspace(-1, 1, 20001)
            accuracy = ((scores[~own] >= grid[:, None]) == same[~own]).mean(1)
            threshold = grid[accuracy > accuracy.max() - 1e-9].mean()
            expected[own], right = scores[own], right + [((scores[own] >= threshold) == same[own]).mean()]
        out = WORK / f"clips-{name}"
        words = ["--pairs", WORK / "splits.txt", "--input", "hr", "--out", out]
        found = hallucinet("eval", "--model", RUN, "--data", tree, *words, *way)["verification"]
        scores = numpy.array([float(row["score"]) for row in csv.DictReader((out / "scores.csv").open())])
        assert abs(scores - expected).max() < CLOSE, (name, abs(scores - expected).max())
        assert abs(found["accuracy"] - numpy.mean(right)) < 1e-9, (name, found["accuracy"], right)
        assert abs(found["auc"] - roc_auc_score(same, scores)) < 1e-12, name
        print(f"   clips, {name}: {len(pairs)} pairs, scores within {abs(scores - expected).max():.1e}")


def check_gallery():
    """The first picture of everybody is enrolled; of the last third there is no other."""
    tree = WORK / "gallery"
    kept = [name for name in NAMES if name < f"id{2 * IDENTITIES // 3:05}" or name.endswith("0000.png")]
    for name in kept:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if not (tree / name).exists():
            (tree / name).hardlink_to(faces(IDENTITIES, IMAGES)[0] / name)
    known = 2 * IDENTITIES // 3
    rows = unit(FEATURES).reshape(IDENTITIES, IMAGES, -1)
    enrolled, impostors = rows[:known, 0], rows[known:, 0]
    probes, owner = rows[:known, 1:].reshape(known * (IMAGES - 1), -1), numpy.repeat(numpy.arange(known), IMAGES - 1)
    scores = probes @ enrolled.T
    place = 1 + (scores > scores[numpy.arange(len(owner)), owner][:, None]).sum(1)
    found = hallucinet("eval", "--model", RUN, "--data", tree, "--gallery", "--input", "hr")["identification"]
    assert (found["people"], found["probes"], found["impostors"]) == (known, len(owner), IDENTITIES - known), found
    for k in (1, 5, 20):
        assert abs(found["rank"][str(k)] - (place <= k).mean()) < 1e-12, (k, found["rank"])
    # One of the ten impostors may be taken for somebody.
    threshold = numpy.sort((impostors @ enrolled.T).max(1))[-2]
    expected = ((place == 1) & (scores.max(1) > threshold + 1e-9)).mean()
    assert abs(found["dir"]["1e-1"] - expected) < 1e-12, (found["dir"], expected)
    print(f"   gallery: rank-1 {found['rank']['1']:.3f}, DIR at FAR 0.1 {expected:.3f}")


def check_calibration():
    """Every two pictures: the threshold lets the highest of the strangers' cosines in, as many as the rate allows."""
    found = hallucinet("calibrate", "--model", RUN, "--data", faces(IDENTITIES, IMAGES)[0], "--input", "hr", "--far", "0.01")
    scores = unit(FEATURES) @ unit(FEATURES).T
    person = numpy.arange(len(NAMES)) // IMAGES
    above = numpy.triu(numpy.ones_like(scores, dtype=bool), 1)
    strangers = numpy.sort(scores[above & (person[:, None] != person)])[::-1]
    allowed = int(len(strangers) * 0.01)
    assert strangers[allowed] < found["threshold"] <= strangers[allowed - 1] + 1e-7, (found, strangers[allowed - 1 : allowed + 1])
    same = scores[above & (person[:, None] == person)]
    assert abs(found["tar"] - (same >= found["threshold"] - 1e-9).mean()) < 1e-12, found
    print(f"   calibration: cosine {found['threshold']:.4f} at FAR 0.01, TAR {found['tar']:.3f}")


check_clips()
check_gallery()
check_calibration()
