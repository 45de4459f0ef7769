"""Makes golden/*.u8 for tests/data/resample.rs: what Pillow and OpenCV themselves compute.

python3 -m venv v && v/bin/pip install pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy && v/bin/python resample_golden.py

Each file NAME.u8 is raw RGB, rows top to bottom. Sources are `source(h, w)`: an integer hash of the position, blended with a
smooth ramp in its left half, so the test can make them again and only the results are stored. The OpenCV bytes come from a package for x86-64, with its IPP
(which OpenCV leaves alone for pictures of a few pixels, so there is no such case).
"""
import pathlib
import sys

import cv2
import numpy as np
import PIL
from PIL import Image


def source(height, width):
    """uint8 [height, width, 3]; the same formula stands in resample.rs."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    noise = ((y * 7919 + x * 104729 + c * 1299709) * 2654435761 % 2**32) >> 24
    ramp = (y * 3 + x * 2 + c * 40) % 256
    return np.where(x * 2 < width, (ramp * 3 + noise) // 4, noise).astype(np.uint8)


# (source height, width) -> (height, width); sizes as in faces, odd ones, one direction alone, and the x1/4 of odd sizes.
CASES = [
    ((112, 96), (28, 24)),
    ((28, 24), (112, 96)),
    ((17, 23), (40, 9)),
    ((37, 29), (10, 8)),
    ((37, 29), (37, 11)),
    ((37, 29), (15, 29)),
    ((9, 8), (21, 27)),
]

if __name__ == "__main__":
    out = pathlib.Path(__file__).parent / "golden"
    out.mkdir(exist_ok=True)
    print("pillow", PIL.__version__, "opencv", cv2.__version__, cv2.ipp.getIppVersion(), "numpy", np.__version__, sys.version.split()[0])
    for (h, w), (oh, ow) in CASES:
        image = source(h, w)
        pillow = np.asarray(Image.fromarray(image).resize((ow, oh), Image.BICUBIC))
        opencv = cv2.resize(image, (ow, oh), interpolation=cv2.INTER_CUBIC)
        for name, result in (("pillow", pillow), ("opencv", opencv)):
            (out / f"{name}_{h}x{w}_to_{oh}x{ow}.u8").write_bytes(result.tobytes())
