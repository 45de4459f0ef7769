"""Files of InsightFace and Caffe, written by write_foreign.py, are read back exactly: weights number by number, pictures byte by byte;
and an imported net computes what PyTorch computes from Caffe's own numbers on BGR pictures."""

import io
import struct
import zlib

import numpy
import torch
from PIL import Image
from safetensors.numpy import load_file

from networks import features
from program import WORK, embed, faces, hallucinet, pictures, same, units
from write_foreign import MAGIC, center_loss_net, write_bin, write_caffemodel, write_rec

# Some thirty layers of sums over up to 10,240 products in float32: about five of 24 bits.
TOLERANCE = 2e-5


def expect(what, holds):
    print(f"{what:<58} {'as written' if holds else 'DIFFERENT'}")
    if not holds:
        raise SystemExit(f"{what}: not what was written")


def ours(layer, number):
    """The name of an array of a layer; nothing for a bias that is always 0."""
    if layer == "center_loss":
        return "center_loss.centers"
    if layer.startswith("conv") and "_" in layer and number == 1:
        return None
    return f"recognizer.{layer}.{('weight', 'bias')[number]}"


def check_caffemodel(width, size, identities, old):
    name = f"caffe-{width}" + ("-old" if old else "")
    layers = center_loss_net(7, width, size, identities)
    write_caffemodel(WORK / f"{name}.caffemodel", layers, old)
    said = hallucinet("import", f"{name}.caffemodel", "--out", name)["model"]
    wanted = {"recognizer_width": width, "features": size, "identities": identities, "channels": "bgr"}
    expect(f"{name} configuration", said == wanted)
    weights = {ours(layer, n): array for layer, arrays in layers for n, array in enumerate(arrays)}
    weights.pop(None)
    found = load_file(WORK / name / "model.safetensors")
    turned = dict(weights, **{"recognizer.conv1a.weight": weights["recognizer.conv1a.weight"][:, ::-1]})
    exact = found.keys() == turned.keys() and all(numpy.array_equal(found[key], turned[key]) for key in found)
    expect(f"{name} {len(found)} arrays", exact)
    high, _ = faces()
    count = 8
    bgr = units(pictures(high)[:count])[:, ::-1].copy()
    with torch.no_grad():
        plain = {key: torch.tensor(array).double() for key, array in weights.items()}
        expected = features(plain, torch.tensor(bgr).double())
    same(f"{name} features, Caffe's weights on BGR in PyTorch", embed(name, high, name)[:count], expected, TOLERANCE)


def encoded(level, kind, magic=False):
    """A picture of 112x112 in one colour; as PNG perhaps with the magic number of RecordIO at every distance inside."""
    buffer = io.BytesIO()
    Image.new("RGB", (112, 112), (level, 255 - level, level // 2)).save(buffer, kind)
    whole = buffer.getvalue()
    if not magic:
        return whole
    text = b"tEXt" + b"note\0" + b"".join(MAGIC + b"." * gap for gap in range(8)) + MAGIC * 3
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    # After the header chunk: 8 bytes of signature, 25 of IHDR.
    return whole[:33] + chunk + whole[33:]


def read_tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_rec():
    kinds = [("JPEG", "jpg", False), ("PNG", "png", False), ("PNG", "png", True)]
    written, tree = [], {}
    for label in (0, 4, 123456):
        for number in range(1, 5):
            kind, ending, magic = kinds[(label + number) % 3]
            data = encoded((37 * label + 11 * number) % 256, kind, magic)
            written.append((label, data))
            tree[f"id_{label:06}/id_{label:06}_{number:04}.{ending}"] = data
    write_rec(WORK / "train.rec", WORK / "train.idx", written)
    about = hallucinet("data", "info", "train.rec")
    expect("train.rec 12 pictures, 3 identities", (about["pictures"], about["identities"]) == (12, 3))
    hallucinet("import", "train.rec", "--out", "unpacked")
    expect("train.rec pictures", read_tree(WORK / "unpacked") == tree)
    (WORK / "train.idx").unlink()
    hallucinet("import", "train.rec", "--out", "unpacked-without-index")
    expect("train.rec without its index", read_tree(WORK / "unpacked-without-index") == tree)
    for data, pack in (("train.rec", "a.pack"), ("unpacked", "b.pack")):
        hallucinet("data", "pack", data, "--out", pack)
    expect("packs of both", (WORK / "a.pack").read_bytes() == (WORK / "b.pack").read_bytes())


def check_bin():
    high, _ = faces()
    paths = sorted(path for path in high.rglob("*.png"))[:40]
    data, truths = [path.read_bytes() for path in paths], [True, False] * 10
    tree = {}
    for number, truth in enumerate(truths, 1):
        one, other = data[2 * number - 2 : 2 * number]
        names = ((f"{number:05}", 1), (f"{number:05}", 2)) if truth else ((f"{number:05}a", 1), (f"{number:05}b", 1))
        for (who, which), picture in zip(names, (one, other)):
            tree[f"pair_{who}/pair_{who}_{which:04}.png"] = picture
    numbers = [f"pair_{n:05}\t1\t2\npair_{n + 1:05}a\t1\tpair_{n + 1:05}b\t1\n" for n in range(1, 21, 2)]
    tree["pairs.txt"] = ("10\t1\n" + "".join(numbers)).encode()
    scores = []
    for protocol in range(6):
        for arrays in (False, True):
            name = f"protocol-{protocol}" + ("-arrays" if arrays else "")
            write_bin(WORK / f"{name}.bin", data, truths, protocol, arrays)
            hallucinet("import", f"{name}.bin", "--out", name)
            expect(f"{name}.bin", read_tree(WORK / name) == tree)
    model = WORK / "caffe-0.0625"
    for name in ("protocol-0.bin", "protocol-2-arrays.bin", "protocol-5-arrays.bin"):
        scores.append(hallucinet("eval", "--model", model, "--data", name)["verification"])
    listed = hallucinet("eval", "--model", model, "--data", "protocol-4", "--pairs", WORK / "protocol-4" / "pairs.txt")
    expect("scores of packs and of folder and list", all(score == listed["verification"] for score in scores))


check_caffemodel(1.0, 512, 20, old=False)
check_caffemodel(0.0625, 16, 5, old=True)
check_caffemodel(0.0625, 16, 5, old=False)
check_rec()
check_bin()
