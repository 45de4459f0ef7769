//! A small net of the center-loss recipe as Caffe would store it, written independently of the reader: the table of
//! layers, numbers, and protocol buffers by hand.

/// Layer, and the shape of each of its arrays.
pub type Layers = Vec<(String, Vec<(Vec<usize>, Vec<f32>)>)>;

/// Channels of conv1a, conv1b, conv2, conv3, conv4 at width 0.05.
pub const CHANNELS: [usize; 5] = [2, 3, 6, 13, 26];
pub const FEATURES: usize = 4;
pub const IDENTITIES: usize = 3;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// `layers` (2) with name 4 and blobs 6, instead of `layer` (100).
    pub old_layers: bool,
    /// `num, channels, height, width` instead of a shape.
    pub old_shapes: bool,
    /// Every number and extent as a field of its own.
    pub unpacked: bool,
    /// `double_data`
    pub double: bool,
}

/// The layers of `face_train_test.prototxt` that learn.
pub fn layers() -> Layers {
    let [c1, c2, c3, c4, c5] = CHANNELS;
    let mut layers: Layers = Vec::new();
    let mut seed = 1u32;
    let mut numbers = |shape: &[usize]| {
        let count = shape.iter().product();
        let values = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32 * 0.2 - 0.1
        });
        (shape.to_vec(), values.take(count).collect::<Vec<f32>>())
    };
    let mut conv = |name: &str, from: usize, to: usize, residual: bool| {
        let weight = numbers(&[to, from, 3, 3]);
        let bias = if residual { (vec![to], vec![0.0; to]) } else { numbers(&[to]) };
        layers.push((format!("conv{name}"), vec![weight, bias]));
        layers.push((format!("relu{name}"), vec![numbers(&[to])]));
    };
    conv("1a", 3, c1, false);
    conv("1b", c1, c2, false);
    for (stage, width, units, wider) in
        [(2, c2, 1, Some(c3)), (3, c3, 2, Some(c4)), (4, c4, 5, Some(c5)), (5, c5, 3, None)]
    {
        for unit in 1..=2 * units {
            conv(&format!("{stage}_{unit}"), width, width, true);
        }
        if let Some(wider) = wider {
            conv(&stage.to_string(), width, wider, false);
        }
    }
    layers.push(("fc5".into(), vec![numbers(&[FEATURES, c5 * 5 * 4]), numbers(&[FEATURES])]));
    layers.push(("fc6".into(), vec![numbers(&[IDENTITIES, FEATURES]), numbers(&[IDENTITIES])]));
    layers.push(("center_loss".into(), vec![numbers(&[IDENTITIES, FEATURES])]));
    layers
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

pub fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn blob(shape: &[usize], values: &[f32], style: Style) -> Vec<u8> {
    let mut message = Vec::new();
    if style.old_shapes {
        let four = std::iter::repeat_n(&1, 4 - shape.len()).chain(shape);
        (1..).zip(four).for_each(|(field, extent)| message.extend(number(field, *extent as u64)));
    } else {
        let extents = shape.iter().map(|extent| *extent as u64);
        let shape = match style.unpacked {
            true => extents.flat_map(|extent| number(1, extent)).collect(),
            false => bytes(1, &extents.flat_map(varint).collect::<Vec<u8>>()),
        };
        message.extend(bytes(7, &shape));
    }
    match (style.unpacked, style.double) {
        (true, true) => values.iter().for_each(|value| {
            message.extend(varint(8 << 3 | 1));
            message.extend(f64::from(*value).to_le_bytes());
        }),
        (true, false) => values.iter().for_each(|value| {
            message.extend(varint(5 << 3 | 5));
            message.extend(value.to_le_bytes());
        }),
        (false, true) => {
            let packed: Vec<u8> = values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
            message.extend(bytes(8, &packed));
        }
        (false, false) => {
            // In two pieces, as the format allows.
            let (one, two) = values.split_at(values.len() / 2);
            for piece in [one, two] {
                let packed: Vec<u8> = piece.iter().flat_map(|value| value.to_le_bytes()).collect();
                message.extend(bytes(5, &packed));
            }
        }
    }
    // A gradient, which nobody needs.
    message.extend(bytes(6, &[0; 8]));
    message
}

/// The bytes of a `.caffemodel`.
pub fn written(layers: &Layers, style: Style) -> Vec<u8> {
    let mut file = [bytes(1, b"CenterLoss"), number(5, 1)].concat();
    let (layer, name, blobs) = if style.old_layers { (2, 4, 6) } else { (100, 1, 7) };
    // A layer that learns nothing, with fields of no interest.
    file.extend(bytes(layer, &[bytes(name, b"data"), bytes(3, b"label"), number(10, 1)].concat()));
    for (title, arrays) in layers {
        let mut message = bytes(name, title.as_bytes());
        arrays.iter().for_each(|(shape, values)| message.extend(bytes(blobs, &blob(shape, values, style))));
        file.extend(bytes(layer, &message));
    }
    file
}
