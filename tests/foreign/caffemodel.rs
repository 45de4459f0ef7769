//! Caffe's models: every way to write one gives the same layers; broken ones say what is wrong.

use crate::net::{Style, bytes, layers, number, written};
use hallucinet::formats::caffemodel::decode;

#[test]
fn every_way_to_write_a_net_is_read() {
    let expected = layers();
    let yes_and_no = [false, true];
    for (old_layers, old_shapes) in yes_and_no.map(|a| yes_and_no.map(|b| (a, b))).concat() {
        for (unpacked, double) in yes_and_no.map(|a| yes_and_no.map(|b| (a, b))).concat() {
            let style = Style { old_layers, old_shapes, unpacked, double };
            let read = decode(&written(&expected, style)).unwrap();
            assert_eq!(read.len(), expected.len(), "{style:?}");
            for (layer, (name, arrays)) in read.iter().zip(&expected) {
                assert_eq!((&layer.name, layer.blobs.len()), (name, arrays.len()), "{style:?}");
                for (tensor, (shape, values)) in layer.blobs.iter().zip(arrays) {
                    let ones = vec![1; if old_shapes { 4 - shape.len() } else { 0 }];
                    assert_eq!(
                        (&tensor.shape, &tensor.data),
                        (&[ones, shape.clone()].concat(), values),
                        "{name} {style:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn broken_files_say_what_is_wrong() {
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let net = |blob: &[u8]| bytes(100, &[bytes(1, b"conv1a"), bytes(7, blob)].concat());
    let shape = |extents: &[u8]| bytes(7, &bytes(1, extents));
    for (file, part) in [
        (vec![], "no layer with weights"),
        (bytes(1, b"a net"), "no layer with weights"),
        (vec![0x0b], "a field of kind 3 at byte 0"),
        (vec![0x02, 0], "a field without a number at byte 0"),
        (vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f], "a field of 34359738367 bytes at byte 0"),
        (vec![0x0a; 11], "does not end where its message does"),
        ([&[0x08][..], &[0xff; 9], &[2]].concat(), "a number longer than 64 bits at byte 1"),
        (vec![0x08, 0x80], "a number is cut off at byte 1"),
        (number(100, 1), "a layer that is a number"),
        (net(&bytes(5, &[0; 7])), "a field 5 of the wrong kind"),
        (net(&bytes(8, &floats(&[1.0]))), "a field 8 of the wrong kind"),
        (net(&number(7, 1)), "a field 7 of the wrong kind"),
        (net(&[shape(&[3]), bytes(5, &floats(&[1.0]))].concat()), "1 numbers do not fill an array of [3]"),
        (net(&[shape(&[1; 33]), bytes(5, &floats(&[1.0]))].concat()), "more than 32 dimensions"),
        (net(&shape(&[[0xff; 9].as_slice(), &[1]].concat())), "do not fill an array"),
        (
            net(&[shape(&[2]), bytes(5, &floats(&[1.0, f32::NAN]))].concat()),
            "number 1 of array 0 of layer \"conv1a\" is not finite",
        ),
        (net(&[1, 2, 3, 4].map(|field| number(field, u64::MAX)).concat()), "do not fill an array"),
        (bytes(100, &[bytes(1, b"x"), bytes(7, b"").repeat(9)].concat()), "more than 8 arrays"),
        (bytes(100, b"").repeat(20_000), "more than 16384 layers"),
    ] {
        let error = decode(&file).expect_err(part);
        assert!(error.contains(part), "{error}, not {part}");
    }
}
