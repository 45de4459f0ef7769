"""Scores that `eval` prints, against scikit-learn, SciPy and scikit-image: from the scores of each pair, and from pictures and features.

The network has hardly been trained, so its scores are as good as random: neither perfect nor useless.
"""

import csv
import math

import numpy
import torch
from scipy.optimize import brentq
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve
from sklearn.metrics.pairwise import paired_cosine_distances

from networks import bicubic
from program import WORK, embed, faces, hallucinated, hallucinet, model, pictures, same, units

# More than 1,000 pairs of different people, so that FAR 1e-3 means something; some pairs come twice, so that there are equal scores.
IDENTITIES, IMAGES, FOLDS, PAIRS = 60, 3, 5, 210
RUN = model("fast")
EXACT = 1e-12


def write_pairs():
    """Pairs of the drawn people in the format of LFW: people of one fold are in no other."""
    random, lines = numpy.random.default_rng(1), [f"{FOLDS}\t{PAIRS}"]
    people = IDENTITIES // FOLDS
    for fold in range(FOLDS):
        names = [f"id{p:05}" for p in range(fold * people, (fold + 1) * people)]
        for _ in range(PAIRS):
            a, b = random.choice(IMAGES, 2, replace=False) + 1
            lines.append(f"{random.choice(names)}\t{a}\t{b}")
        for _ in range(PAIRS):
            one, other = random.choice(names, 2, replace=False)
            a, b = random.integers(1, IMAGES + 1, 2)
            lines.append(f"{one}\t{a}\t{other}\t{b}")
    path = WORK / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def lfw_tree():
    """The drawn faces under LFW's names: NAME/NAME_0001.png."""
    high, tree = faces(IDENTITIES, IMAGES)[0], WORK / "lfw"
    if not tree.exists():
        for path in sorted(high.rglob("*.png")):
            person = path.parent.name
            (tree / person).mkdir(parents=True, exist_ok=True)
            (tree / person / f"{person}_{int(path.stem) + 1:04}.png").hardlink_to(path)
    return tree


def scored(name, *more):
    """The document of an `eval` and the columns of its scores.csv."""
    out = WORK / name
    document = hallucinet("eval", "--model", RUN, "--data", lfw_tree(), "--pairs", write_pairs(), "--out", out, *more)
    rows = list(csv.DictReader((out / "scores.csv").open()))
    column = lambda key, kind: numpy.array([kind(row[key]) for row in rows])
    columns = {"same": column("same", int), "fold": column("fold", int), "score": column("score", float)}
    return document["verification"], rows, dict(columns, threshold=column("threshold", float), right=column("right", int))


def mean_best_threshold(scores, same_person):
    """SphereFace's rule on a fine grid: the mean of all thresholds in [-1, 1] that reach the best accuracy."""
    order = numpy.sort(scores[same_person == 1]), numpy.sort(scores[same_person == 0])
    grid = numpy.linspace(-1, 1, 2_000_001)
    accepted = len(order[0]) - numpy.searchsorted(order[0], grid), len(order[1]) - numpy.searchsorted(order[1], grid)
    right = accepted[0] + len(order[1]) - accepted[1]
    return grid[right == right.max()].mean()


def check_verification(what, found, columns):
    truth, scores, fold = columns["same"], columns["score"], columns["fold"]
    far, tar, _ = roc_curve(truth, scores, drop_intermediate=False)
    same(f"{what} AUC, scikit-learn", found["auc"], roc_auc_score(truth, scores), EXACT)
    for key in ("1e-2", "1e-3"):
        enough = (truth == 0).sum() * float(key) >= 1
        assert (found["tar"][key] is not None) == enough, key
        if enough:
            same(f"{what} TAR at FAR {key}, scikit-learn", found["tar"][key], tar[far <= float(key)].max(), EXACT)
    # The curve as a path: where on it do false accepts and false rejects balance?
    steps = numpy.arange(len(far))
    along = lambda values: lambda t: float(numpy.interp(t, steps, values))
    balance = brentq(lambda t: along(far)(t) - (1 - along(tar)(t)), 0, len(far) - 1, xtol=1e-13)
    same(f"{what} EER, SciPy", found["eer"], along(far)(balance), 1e-9)
    accuracies = []
    for number in numpy.unique(fold):
        inside = fold == number
        threshold = columns["threshold"][inside][0]
        wanted = mean_best_threshold(scores[~inside], truth[~inside])
        same(f"{what} threshold of fold {number}, grid of 2,000,001", threshold, wanted, 1e-5 / abs(wanted))
        answers = (scores[inside] >= threshold).astype(int)
        assert ((answers == truth[inside]) == columns["right"][inside]).all()
        accuracies.append(accuracy_score(truth[inside], answers))
    same(f"{what} accuracy, scikit-learn", found["accuracy"], numpy.mean(accuracies), EXACT)
    same(f"{what} standard error, NumPy", found["stderr"], numpy.std(accuracies, ddof=1) / math.sqrt(len(accuracies)), EXACT)


def check_scores(what, rows, columns, features, names):
    """Every pair's score is the cosine of its features."""
    place = {name: row for row, name in enumerate(names)}
    a, b = ([place[row[key]] for row in rows] for key in "ab")
    same(what, columns["score"], 1 - paired_cosine_distances(features[a].astype(float), features[b].astype(float)), 1e-9)


def check_restoration():
    found = hallucinet("eval", "--model", RUN, "--data", lfw_tree())["restoration"]
    high, low = faces(IDENTITIES, IMAGES)
    originals = pictures(high)
    up = bicubic(torch.tensor(units(pictures(low))).double()).numpy().transpose(0, 2, 3, 1)
    restored = {
        "bicubic": numpy.clip(numpy.floor(128 * up + 128), 0, 255).astype(numpy.uint8),
        "hallucinated": hallucinated(RUN, low, "restored"),
    }
    assert found["images"] == len(originals)
    decibel = lambda a, b: peak_signal_noise_ratio(a, b, data_range=255)
    window = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)
    for side, made in restored.items():
        luma = [(rgb2ycbcr(a)[..., 0], rgb2ycbcr(b)[..., 0]) for a, b in zip(originals, made)]
        wanted = {
            "psnr_rgb": [decibel(a, b) for a, b in zip(originals, made)],
            "psnr_y": [decibel(a, b) for a, b in luma],
            "psnr_y_crop4": [decibel(a[4:-4, 4:-4], b[4:-4, 4:-4]) for a, b in luma],
            "ssim": [structural_similarity(a, b, **window) for a, b in zip(originals, made)],
        }
        for key, values in wanted.items():
            same(f"{side} {key} of {len(values)} pictures, scikit-image", found[key][side], numpy.mean(values), 1e-9)


for words in (["--input", "hr"], ["--input", "lr"], ["--input", "hr", "--no-mirror"]):
    name = "".join(words).replace("--", "-")
    document, rows, columns = scored(f"eval{name}", *words)
    check_verification(" ".join(words[1:]), document, columns)
    mirror = [] if "--no-mirror" in words else ["--mirror"]
    features = embed(RUN, lfw_tree(), f"features{name}", *words[:2], *mirror)
    names = [str(path.relative_to(lfw_tree())) for path in sorted(lfw_tree().rglob("*.png"))]
    check_scores(f"{' '.join(words[1:])} scores, scikit-learn", rows, columns, features, names)
check_restoration()
