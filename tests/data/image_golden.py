"""Makes golden/*.{jpg,png} and golden/*.rgb for tests/data/image.rs: small files of many kinds and what Pillow reads in them.

python3 -m venv v && v/bin/pip install pillow==13.0.0 numpy && v/bin/python image_golden.py

The .rgb of a PNG is exact. JPEG decoders may differ by a few levels (other inverse DCT, other chroma interpolation).
"""
import pathlib

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 19, 23
out = pathlib.Path(__file__).parent / "golden"
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
smooth = np.stack([x * 9 % 256, y * 11 % 256, (x + y) * 5 % 256], -1).astype(np.uint8)
rgb = Image.fromarray(smooth)
rgba = Image.fromarray(np.dstack([smooth, (x * y) % 256]).astype(np.uint8), "RGBA")
deep = (x * 2791 + y * 517).astype(np.uint16)


def save(name, image, expected, **options):
    image.save(out / name, **options)
    (out / f"{name}.rgb").write_bytes(np.asarray(expected, dtype=np.uint8).tobytes())


def jpeg(name, image, **options):
    image.save(out / name, **options)
    save(name, image, Image.open(out / name).convert("RGB"), **options)


save("rgb.png", rgb, rgb)
save("rgba.png", rgba, smooth)
save("grey.png", rgb.convert("L"), rgb.convert("L").convert("RGB"))
save("grey_alpha.png", rgba.convert("LA"), rgb.convert("L").convert("RGB"))
save("palette.png", rgb.quantize(17), rgb.quantize(17).convert("RGB"))
save("one_bit.png", rgb.convert("1"), rgb.convert("1").convert("RGB"))
save("grey16.png", Image.fromarray(deep), np.stack([deep >> 8] * 3, -1))
jpeg("rgb.jpg", rgb, quality=90, subsampling=0)
jpeg("grey.jpg", rgb.convert("L"), quality=90)
jpeg("progressive.jpg", rgb, quality=90, subsampling=0, progressive=True)
