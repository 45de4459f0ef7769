"""Other programs' files, written from their definitions with struct and pickle alone: a caffemodel, a train.rec with its index, a
verification pack. It shares nothing with the program that reads them."""

import pickle
import struct

import numpy

MAGIC = struct.pack("<I", 0xCED7230A)


def frame(data):
    """A RecordIO record: in parts where the magic number stands at a multiple of four bytes (dmlc-core, src/recordio.cc)."""
    pieces, start = [], 0
    for at in range(0, len(data) - len(data) % 4, 4):
        if data[at : at + 4] == MAGIC:
            pieces.append(data[start:at])
            start = at + 4
    pieces.append(data[start:])
    written = b""
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        kind = 0 if len(pieces) == 1 else 1 if number == 0 else 3 if last else 2
        written += MAGIC + struct.pack("<I", kind << 29 | len(piece)) + piece + b"\0" * (-len(piece) % 4)
    return written


def image_record(label, key, encoded):
    """mxnet.recordio.pack: one number in the header, or an array behind it."""
    if isinstance(label, (list, tuple)):
        return struct.pack("<IfQQ", len(label), 0, key, 0) + numpy.asarray(label, "<f4").tobytes() + encoded
    return struct.pack("<IfQQ", 0, label, key, 0) + encoded


def write_rec(rec, idx, pictures):
    """`pictures` are (label, encoded), by label; InsightFace's ranges stand before and behind them."""
    labels = [label for label, _ in pictures]
    people = sorted(set(labels))
    end = len(pictures) + 1
    records = [image_record([end, end + len(people)], 0, b"")]
    for key, (label, encoded) in enumerate(pictures, 1):
        records.append(image_record([label, 0.5] if key % 3 == 0 else label, key, encoded))
    for key, person in enumerate(people, end):
        first = labels.index(person) + 1
        records.append(image_record([first, first + labels.count(person)], key, b""))
    with open(rec, "wb") as data, open(idx, "w") as index:
        for key, record in enumerate(records):
            index.write(f"{key}\t{data.tell()}\n")
            data.write(frame(record))


def write_bin(path, pictures, same, protocol, arrays):
    """insightface's lfw2pack.py: encoded pictures, two a pair, as bytes or as numpy arrays of bytes."""
    if arrays:
        pictures = [numpy.frombuffer(picture, numpy.uint8) for picture in pictures]
    with open(path, "wb") as file:
        pickle.dump((pictures, same), file, protocol)


def varint(number):
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def write_caffemodel(path, layers, old=False):
    """`layers` are (name, arrays); the old way has V1LayerParameter and four extents for everything."""
    layer_number, name_number, blobs_number = (2, 4, 6) if old else (100, 1, 7)
    with open(path, "wb") as file:
        file.write(field(1, b"CenterLossNet"))
        file.write(field(layer_number, field(name_number, b"data")))
        for name, arrays in layers:
            message = field(name_number, name.encode())
            for array in arrays:
                if old:
                    extents = (1,) * (4 - array.ndim) + array.shape
                    blob = b"".join(varint(number << 3) + varint(extent) for number, extent in enumerate(extents, 1))
                else:
                    blob = field(7, field(1, b"".join(map(varint, array.shape))))
                message += field(blobs_number, blob + field(5, array.astype("<f4").tobytes()))
            file.write(field(layer_number, message))


def center_loss_net(seed, width, features, identities):
    """Layers of face_train_test.prototxt with random numbers: (name, arrays) in the order of the net."""
    random = numpy.random.default_rng(seed)
    channels = {1: 32, 2: 64, 3: 128, 4: 256, 5: 512}
    scaled = {stage: max(1, int(count * width + 0.5)) for stage, count in channels.items()}
    layers = []

    def numbers(*shape):
        return (random.standard_normal(shape) * (2 / max(1, numpy.prod(shape[1:]))) ** 0.5).astype(numpy.float32)

    def conv(name, inputs, outputs, residual):
        bias = numpy.zeros(outputs, numpy.float32) if residual else 0.1 * numbers(outputs)
        layers.append((f"conv{name}", [numbers(outputs, inputs, 3, 3) * (0.3 if residual else 1), bias]))
        layers.append((f"relu{name}", [random.uniform(0.1, 0.4, outputs).astype(numpy.float32)]))

    conv("1a", 3, scaled[1], False)
    conv("1b", scaled[1], scaled[2], False)
    for stage, units in ((2, 1), (3, 2), (4, 5), (5, 3)):
        for unit in range(1, 2 * units + 1):
            conv(f"{stage}_{unit}", scaled[stage], scaled[stage], True)
        if stage < 5:
            conv(str(stage), scaled[stage], scaled[stage + 1], False)
    layers.append(("fc5", [numbers(features, scaled[5] * 5 * 4), 0.1 * numbers(features)]))
    layers.append(("fc6", [numbers(identities, features), 0.1 * numbers(identities)]))
    layers.append(("center_loss", [numbers(identities, features)]))
    return layers
