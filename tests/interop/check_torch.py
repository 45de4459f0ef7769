"""PyTorch, in float64 from the file of weights that the safetensors package reads, computes what the program computes in float32."""

import json

import torch
from safetensors import safe_open

from networks import features, hallucinate
from program import MODELS, WORK, embed, faces, hallucinated, hallucinet, model, pictures, same, same_pixels, units

# Some thirty layers of sums over up to 10,240 products in float32: about five of 24 bits.
TOLERANCE = 2e-5


def check(name):
    run, out = model(name), WORK / f"{name}-safetensors"
    hallucinet("export", "--model", run, "--format", "safetensors", "--out", out)
    with safe_open(out / "model.safetensors", "pt") as file:
        metadata = file.metadata()
        weights = {key: file.get_tensor(key).double() for key in file.keys()}
    about = json.loads(metadata["hallucinet"])
    assert list(metadata) == ["hallucinet"] and about["parts"] == {"hallucinator": True, "recognizer": True}
    high, low = faces()
    count = 14 if name == "full" else None
    real = lambda folder: torch.tensor(units(pictures(folder)[:count])).double()
    with torch.no_grad():
        restored = hallucinate(weights, about["model"]["hallucinator"], real(low))
        same(f"{name} features of 96x112", embed(run, high, f"{name}-high")[:count], features(weights, real(high)), TOLERANCE)
        same(f"{name} features of 24x28", embed(run, low, f"{name}-low")[:count], features(weights, restored), TOLERANCE)
    same_pixels(f"{name} hallucinated", hallucinated(run, low, f"{name}-png-torch")[:count], restored.numpy())


for name in MODELS:
    check(name)
