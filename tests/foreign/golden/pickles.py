"""Makes the .pkl files beside it: verification packs of three pictures' bytes in two pairs, by every protocol.

Run with Python 3.8 or later and numpy 2 (made with Python 3.11.7, numpy 2.4.6): python3 pickles.py
"""
import pickle
from pathlib import Path

import numpy as np

here = Path(__file__).parent
first, second, third = b"ab\xff\n\r\t\x00\x1a'\"", b"\\u0041\\x41\\n", bytes(range(256))
# The same object twice, which picklers remember.
pictures, same = [first, second, third, first], [True, False]


def write(name, content, protocol):
    (here / f"{name}.pkl").write_bytes(pickle.dumps(content, protocol))


for protocol in range(6):
    write(f"bytes_{protocol}", (pictures, same), protocol)
    # np.frombuffer gives arrays that cannot be written to, np.array copies that can.
    write(f"arrays_{protocol}", ([np.frombuffer(p, np.uint8) for p in pictures], same), protocol)
write("writable_5", ([np.array(np.frombuffer(p, np.uint8)) for p in pictures], same), 5)
write("truths_array", (pictures, np.array(same)), 4)
write("truths_scalars", (pictures, list(np.array(same))), 2)
write("truths_numbers", [pictures, [1, 0]], 3)

# What our own writer makes (`what_is_written_is_what_python_reads` in lfw_bin.rs has the same bytes).
own = b"\x80\x03](B\x01\x00\x00\x00aB\x02\x00\x00\x00bcB\x01\x00\x00\x00aB\x01\x00\x00\x00ae](\x88\x89e\x86."
assert pickle.loads(own) == pickle.loads(own, encoding="bytes") == ([b"a", b"bc", b"a", b"a"], [True, False])
