"""Exported ONNX files are well-formed, and onnxruntime and OpenVINO compute from them what the program computes itself."""

import time

import numpy
import onnx
import onnxruntime
import openvino

from program import MODELS, WORK, embed, faces, hallucinated, hallucinet, model, pictures, same, same_pixels, units

NETS = {"hallucinator": ["hallucinated"], "recognizer": ["features"], "cascade": ["hallucinated", "features"]}
# f32 has 24 bits; some thirty layers of sums over up to 10,240 products in another order lose about five of them.
TOLERANCE = 2e-5


def onnxruntime_session(path):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda image: dict(zip(names, session.run(names, {"image": image})))


def openvino_session(path):
    # The default may be bf16 where the processor has it.
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: {output.any_name: value for output, value in compiled(image).items()}


def in_batches(session, image, size):
    """All pictures, so many at a time; the last batch may be smaller."""
    parts = [session(image[at : at + size]) for at in range(0, len(image), size)]
    return {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}


def milliseconds(session, image):
    session(image)
    start = time.perf_counter()
    for _ in range(5):
        session(image)
    return (time.perf_counter() - start) / 5 / len(image) * 1000


def check(name):
    run, out = model(name), WORK / f"{name}-onnx"
    hallucinet("export", "--model", run, "--format", "onnx", "--out", out)
    high, low = faces()
    images = {"hallucinator": units(pictures(low)), "recognizer": units(pictures(high))}
    images["cascade"] = images["hallucinator"]
    wanted = {"recognizer": embed(run, high, f"{name}-high"), "cascade": embed(run, low, f"{name}-low")}
    for net, outputs in NETS.items():
        path = out / f"{net}.onnx"
        file = onnx.load(path)
        onnx.checker.check_model(file, full_check=True)
        assert [(o.domain, o.version) for o in file.opset_import] == [("", 17)]
        assert [output.name for output in file.graph.output] == outputs
        probe = numpy.load(out / f"{net}.probe.npz")
        assert sorted(probe.keys()) == sorted(["image"] + outputs)
        for runtime in (onnxruntime_session, openvino_session):
            session, who = runtime(path), f"{runtime.__name__.split('_')[0]} {name} {net}"
            for output, value in session(probe["image"]).items():
                same(f"{who} {output}, probe", value, probe[output], TOLERANCE)
            count = 14 if name == "full" else None
            found = [in_batches(session, images[net][:count], size) for size in (1, 2, 7)]
            if net in wanted:
                rows = numpy.stack([wanted[net][:count]] * 3)
                same(f"{who} features, batches of 1, 2, 7", [part["features"] for part in found], rows, TOLERANCE)
            else:
                pngs = hallucinated(run, low, f"{name}-png")[:count]
                for part in found:
                    same_pixels(f"{who} as PNG", pngs, part["hallucinated"])
            if name == "full":
                times = " / ".join(f"{milliseconds(session, images[net][:n]):.1f}" for n in (1, 7))
                print(f"{who}: {times} ms a picture at batch 1 / 7")


for name in MODELS:
    check(name)
