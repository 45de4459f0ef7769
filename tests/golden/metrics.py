"""PSNR and SSIM of formula pictures by the plainest loops, and a .npy written by NumPy: makes metrics.json and features.npy.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install numpy && /tmp/v/bin/python metrics.py
"""

import json
import math
import pathlib

import numpy

HERE = pathlib.Path(__file__).parent


def picture(height, width, seed):
    """Integers only, so that tests/metrics/pictures.rs makes the same bytes."""
    y, x, c = numpy.mgrid[0:height, 0:width, 0:3]
    return (x * x + 3 * y + 29 * c + seed * (7 * x * y + 11 * y + 5) // 16) % 256


def psnr(a, b):
    return 10 * math.log10(255**2 / ((a - b) ** 2).mean())


def luma(p):
    return 16 + (65.481 * p[..., 0] + 128.553 * p[..., 1] + 24.966 * p[..., 2]) / 255


def ssim_plane(a, b):
    """Two-dimensional windows and centred moments: another road to the same numbers."""
    axis = numpy.arange(11) - 5
    window = numpy.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2, values = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            covariance = (window * (p - mp) * (q - mq)).sum()
            values.append((2 * mp * mq + c1) * (2 * covariance + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return numpy.mean(values)


def main():
    rows = []
    for height, width, first, second in [(11, 11, 1, 2), (28, 24, 3, 4), (40, 17, 0, 16), (112, 96, 5, 6)]:
        a, b = (picture(height, width, seed).astype(float) for seed in (first, second))
        rows.append(dict(
            height=height, width=width, seeds=[first, second], psnr_rgb=psnr(a, b), psnr_y=psnr(luma(a), luma(b)),
            psnr_y_crop4=psnr(luma(a)[4:-4, 4:-4], luma(b)[4:-4, 4:-4]),
            ssim=float(numpy.mean([ssim_plane(a[..., c], b[..., c]) for c in range(3)]))))
    (HERE / "metrics.json").write_text(json.dumps(rows, indent=1) + "\n")
    numpy.save(HERE / "features.npy", (numpy.arange(15, dtype=numpy.float32) / 4 - 1).reshape(3, 5))


if __name__ == "__main__":
    main()
