"""The networks in PyTorch, from `model.safetensors` and nothing else: how many units there are, the weights say themselves.

Written from reference/paper.md's table and CONTRACT.md, not from the program. Pictures are [n, 3, h, w] in network units, RGB.
"""

import torch
import torch.nn.functional as F


def prelu(x, w, name):
    return F.prelu(x, w[name + ".weight"])


def conv(x, w, name, pad):
    return F.conv2d(x, w[name + ".weight"], w.get(name + ".bias"), padding=pad)


def unit(x, w, names):
    """A residual unit: two convolutions with their PReLU, then the sum without one."""
    y = x
    for convolution, relu in names:
        y = prelu(conv(y, w, convolution, 1), w, relu)
    return x + y


def features(w, x):
    """f(x) of 112x96 pictures."""
    layer = lambda x, name: prelu(conv(x, w, f"recognizer.conv{name}", 0), w, f"recognizer.relu{name}")
    x = F.max_pool2d(layer(layer(x, "1a"), "1b"), 2)
    for stage in (2, 3, 4, 5):
        k = 1
        while f"recognizer.conv{stage}_{k}.weight" in w:
            x = unit(x, w, [(f"recognizer.conv{stage}_{i}", f"recognizer.relu{stage}_{i}") for i in (k, k + 1)])
            k += 2
        if stage < 5:
            x = F.max_pool2d(layer(x, str(stage)), 2)
    return F.linear(x.flatten(1), w["recognizer.fc5.weight"], w["recognizer.fc5.bias"])


def bicubic(x):
    """x4 of 28x24 pictures: Keys' kernel with a = -0.5, the picture mirrored at its border (the edge pixel twice)."""

    def kernel(d):
        d = d.abs()
        near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
        return torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))

    for axis in (2, 3):
        n = x.shape[axis]
        source = torch.arange(-2, n + 2)
        mirrored = torch.where(source < 0, -1 - source, torch.where(source >= n, 2 * n - 1 - source, source))
        place = (torch.arange(4 * n, dtype=x.dtype) + 0.5) / 4 - 0.5
        taps = kernel(place[:, None] - source[None, :].to(x.dtype))
        x = torch.tensordot(x.index_select(axis, mirrored), taps, dims=([axis], [1])).movedim(-1, axis)
    return x


def hallucinate(w, kind, low):
    """28x24 pictures to 112x96 by a hallucinator of kind `fast`, `residual` or `srcnn`."""
    up, h = bicubic(low), "hallucinator."
    if kind == "srcnn":
        x = prelu(conv(up, w, h + "conv_in", 4), w, h + "relu_in")
        x = prelu(conv(x, w, h + "conv_map", 0), w, h + "relu_map")
        return conv(x, w, h + "conv_out", 2)
    x = prelu(conv(low if kind == "fast" else up, w, h + "conv_in", 1), w, h + "relu_in")
    k = 1
    while f"{h}unit{k}.conv1.weight" in w:
        x = unit(x, w, [(f"{h}unit{k}.conv{i}", f"{h}unit{k}.relu{i}") for i in (1, 2)])
        k += 1
    if kind == "fast":
        for k in (1, 2):
            x = prelu(F.conv_transpose2d(x, w[f"{h}up{k}.weight"], stride=2, padding=1), w, f"{h}relu_up{k}")
    return conv(x, w, h + "conv_out", 1) + up
