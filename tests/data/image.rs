//! Reading and writing pictures: every kind of file against Pillow's reading of it, and hostile ones.

use std::path::{Path, PathBuf};

use hallucinet::Error;
use hallucinet::data::image::{self, Picture};
use hallucinet::random::Random;

use crate::{folder, shared};

const SIZE: (usize, usize) = (23, 19);

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name)
}

/// The largest difference to what Pillow reads.
fn against_pillow(name: &str) -> u8 {
    let picture = image::read(&golden(name)).unwrap();
    assert_eq!((picture.width, picture.height), SIZE, "{name}");
    let expected = std::fs::read(golden(&format!("{name}.rgb"))).unwrap();
    assert_eq!(picture.rgb.len(), expected.len(), "{name}");
    picture.rgb.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn every_kind_of_png_reads_as_in_pillow() {
    for kind in ["rgb", "rgba", "grey", "grey_alpha", "palette", "one_bit", "grey16"] {
        assert_eq!(against_pillow(&format!("{kind}.png")), 0, "{kind}");
    }
}

#[test]
fn jpegs_read_as_in_pillow_within_the_freedom_of_the_inverse_transform() {
    for kind in ["rgb", "grey", "progressive"] {
        let difference = against_pillow(&format!("{kind}.jpg"));
        assert!(difference <= 3, "{kind}: {difference}");
    }
}

#[test]
fn netpbm_in_text_and_binary_scaled_to_255() {
    let cases: [(&[u8], &[u8]); 7] = [
        (b"P5 2 1 255\n\x07\xff", &[7, 7, 7, 255, 255, 255]),
        (b"P5\n# a comment\n2 1\n15\n\x0f\x01 trailing", &[255, 255, 255, 17, 17, 17]),
        (b"P5 1 1 65535\n\x80\x00", &[128, 128, 128]),
        (b"P6 1 1 255 \x01\x02\x03", &[1, 2, 3]),
        (b"P6 1 1 1023 \x03\xff\x00\x00\x02\x00", &[255, 0, 128]),
        (b"P2 2 1 100 100\n50", &[255, 255, 255, 128, 128, 128]),
        (b"P3 1 1 255 9 8 7", &[9, 8, 7]),
    ];
    for (bytes, rgb) in cases {
        assert_eq!(image::decode(bytes).unwrap().rgb, rgb, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn broken_netpbm_is_refused() {
    let cases: [&[u8]; 13] = [
        b"P5",
        b"P5 ",
        b"P5 2",
        b"P5 2 1 255",
        b"P5 2 1 255\n\x01",
        b"P5 0 1 255\n",
        b"P5 1 1 0\n\x01",
        b"P5 1 1 65536\n\x01\x01",
        b"P5 99999999 99999999 255\n\x01",
        b"P5 9999999999999999999999 1 255\n\x01",
        b"P2 8000 8000 255 1 2 3",
        b"P2 2 1 255 1 x",
        b"P6 -1 1 255\n\x01",
    ];
    for bytes in cases {
        assert!(image::decode(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn png_round_trip_is_exact_and_repeatable() {
    let folder = folder();
    let path = folder.path().join("a.png");
    let mut random = Random::named(3, "png");
    let rgb: Vec<u8> = (0..13 * 7 * 3).map(|_| random.below(256) as u8).collect();
    let picture = Picture::new(13, 7, rgb).unwrap();
    image::write_png(&path, &picture).unwrap();
    assert_eq!(image::read(&path).unwrap(), picture);
    assert_eq!(std::fs::read(&path).unwrap(), image::encode_png(&picture).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary stays");
    assert_eq!(picture.mirror().mirror(), picture);
    assert_eq!(picture.mirror().rgb[..3], picture.rgb[12 * 3..13 * 3]);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("taken.png")).unwrap();
    let picture = Picture::new(1, 1, vec![1, 2, 3]).unwrap();
    let error = image::write_png(&folder.path().join("taken.png"), &picture).unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = image::write_png(&folder.path().join("absent/a.png"), &picture).unwrap_err();
    assert!(error.exit_code() == 5 && error.to_string().contains("absent"), "{error}");
}

#[test]
fn every_cut_of_every_kind_is_refused_by_name() {
    let folder = folder();
    for kind in ["rgb.png", "palette.png", "grey16.png", "rgb.jpg", "progressive.jpg", "grey.jpg"] {
        let bytes = std::fs::read(golden(kind)).unwrap();
        let path = folder.path().join(kind);
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let Err(error) = image::read(&path) else { panic!("{kind} cut at {end} of {} is read", bytes.len()) };
            assert!(matches!(error, Error::Input(_)) && error.to_string().contains(kind), "{error}");
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    let mut random = Random::named(4, "flips");
    for kind in ["rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "grey.jpg"] {
        let bytes = std::fs::read(golden(kind)).unwrap();
        for _ in 0..4000 {
            let mut broken = bytes.clone();
            for _ in 0..1 + random.below(3) {
                let at = random.below(broken.len() as u64) as usize;
                broken[at] ^= 1 << random.below(8);
            }
            if let Ok(picture) = image::decode(&broken) {
                assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
            }
        }
    }
}

#[test]
fn giants_are_refused_by_their_header() {
    let mut png = std::fs::read(golden("rgb.png")).unwrap();
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert!(image::decode(&png).unwrap_err().contains("65536x65536"));
    let mut jpeg = std::fs::read(golden("rgb.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xfe, 0xff, 0xfe]);
    assert!(image::decode(&jpeg).unwrap_err().contains("65534x65534"));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn other_files_folders_and_absent_ones_are_told_apart() {
    let folder = folder();
    let path = folder.path().join("text.jpg");
    for text in ["", "hello", "GIF89a", "P7 1 1"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(image::read(&path).unwrap_err().exit_code(), 3);
    }
    assert_eq!(image::read(folder.path()).unwrap_err().exit_code(), 3);
    assert_eq!(image::read(&folder.path().join("absent.jpg")).unwrap_err().exit_code(), 3);
}

#[test]
fn decoders_named_in_packs_are_the_ones_of_the_lock_file() {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for decoder in image::DECODERS.split(", ") {
        let (name, version) = decoder.split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{decoder}");
    }
}

#[test]
fn real_pictures_of_orl_and_lfw() {
    let Some(data) = shared("real_pictures_of_orl_and_lfw") else { return };
    let orl = image::read(&data.join("orl_faces/s1/1.pgm")).unwrap();
    assert_eq!((orl.width, orl.height), (92, 112));
    assert!(orl.rgb.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    let bytes = std::fs::read(data.join("orl_faces/s1/1.pgm")).unwrap();
    assert_eq!(orl.rgb.iter().step_by(3).copied().collect::<Vec<_>>(), bytes[bytes.len() - 92 * 112..]);
    let lfw = image::read(&data.join("lfw/images/Zico/Zico_0001.jpg")).unwrap();
    assert_eq!((lfw.width, lfw.height), (128, 144));
}

/// Strictness must not refuse what the world's cameras and tools write.
#[test]
fn all_real_pictures_are_read() {
    let Some(data) = shared("all_real_pictures_are_read") else { return };
    let mut read = 0;
    let mut folders = vec![data.join("lfw_raw/images"), data.join("ytf/frames"), data.join("sr_test/Set5")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if image::has_picture_name(&path) {
                image::read(&path).unwrap();
                read += 1;
            }
        }
    }
    assert_eq!(read, 197 + 1254 + 5);
}
