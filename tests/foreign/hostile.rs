//! Files cut at every byte, with every byte changed, with lengths that are wild, and with much repeated: never a panic,
//! always half a sentence or a smaller whole, and never more memory than the file can justify.

use crate::memory::peak;
use crate::net::{Style, layers, written as net_written};
use crate::pickles::{golden, of_python_2, pictures};
use crate::recordio::{faces, open, training, written};
use hallucinet::formats::{caffemodel, lfw_bin, recordio};
use proptest::prelude::*;
use proptest::sample::Index;

/// Memory for each byte of a file, and besides.
const FACTOR: usize = 128;
const BESIDES: usize = 64 << 10;

type Reader = fn(&[u8]) -> Result<(), String>;

/// Every record, as far as the file goes.
fn read_records(bytes: &[u8]) -> Result<(), String> {
    let mut at = 0;
    while at < bytes.len() {
        let (record, next) = recordio::record(bytes, at)?;
        recordio::image(&record)?;
        assert!(next > at);
        at = next;
    }
    Ok(())
}

/// Reads, and looks at memory and sentence.
fn held(read: Reader, bytes: &[u8]) -> Result<(), String> {
    let (result, most) = peak(|| read(bytes));
    assert!(most <= FACTOR * bytes.len() + BESIDES, "{most} bytes of memory for a file of {}", bytes.len());
    if let Err(sentence) = &result {
        assert!(!sentence.is_empty() && sentence.len() < 1000 && !sentence.contains('\n'), "{sentence}");
    }
    result
}

/// Small valid files of every kind, and who reads them.
fn small() -> Vec<(String, Vec<u8>, Reader)> {
    let mut files: Vec<(String, Vec<u8>, Reader)> = Vec::new();
    for (name, file) in golden() {
        files.push((name, file, |bytes| lfw_bin::decode(bytes).map(drop)));
    }
    let [a, b, ..] = pictures();
    for protocol in 0..=2 {
        let file = of_python_2(protocol, &[&a, &b], &[true]);
        files.push((format!("python 2, protocol {protocol}"), file, |bytes| lfw_bin::decode(bytes).map(drop)));
    }
    let few: Vec<_> = layers().into_iter().filter(|(name, _)| matches!(name.as_str(), "conv1a" | "relu1a")).collect();
    for style in [Style::default(), Style { old_layers: true, old_shapes: true, unpacked: true, double: true }] {
        files.push((format!("{style:?}"), net_written(&few, style), |bytes| caffemodel::decode(bytes).map(drop)));
    }
    let magic = recordio::MAGIC;
    let tiny = [(1.0, [&magic[..], b"abcd", &magic].concat()), (0.0, b"xyz".to_vec())];
    files.push(("records".into(), written(&training(&tiny)).0, read_records));
    files
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_ends_between_records() {
    for (name, file, read) in small() {
        held(read, &file).unwrap_or_else(|error| panic!("{name}: {error}"));
        for end in 0..file.len() {
            let whole = held(read, &file[..end]).is_ok();
            // Layers and records end where they end, and nothing says how many there are.
            assert!(!whole || name == "records" || name.starts_with("Style"), "{name} cut at {end}");
        }
    }
}

#[test]
fn a_word_of_a_file_is_shown_in_part() {
    let long = "\u{7}name".repeat(20_000);
    for file in [format!("c{long}\n{long}\n."), format!("cnumpy\ndtype\n(V{long}\ntR.")] {
        let sentence = held(|bytes| lfw_bin::decode(bytes).map(drop), file.as_bytes()).unwrap_err();
        assert!(sentence.contains("\\u{7}name") && sentence.contains("...\""), "{sentence}");
    }
}

#[test]
fn no_byte_can_be_changed_so_that_reading_goes_astray() {
    for (_, mut file, read) in small() {
        for at in 0..file.len() {
            let was = file[at];
            for byte in [0, 1, was ^ 1, was ^ 0x80, was.wrapping_add(1), b'(', b'h', 0x7f, 0x80, 0xfe, 0xff] {
                file[at] = byte;
                let _ = held(read, &file);
            }
            file[at] = was;
        }
    }
}

#[test]
fn no_length_makes_memory() {
    for (_, file, read) in small() {
        for at in 0..file.len().saturating_sub(8) {
            for length in [0u64, 1, 1 << 29, (1 << 29) - 1, 1 << 31, u64::from(u32::MAX), 1 << 63, u64::MAX] {
                let mut wild = file.clone();
                wild[at..at + 4].copy_from_slice(&length.to_le_bytes()[..4]);
                let _ = held(read, &wild);
                wild[at..at + 8].copy_from_slice(&length.to_le_bytes());
                let _ = held(read, &wild);
            }
        }
    }
}

/// What a small file can say many times.
#[test]
fn repetition_makes_no_memory() {
    let many = 100_000;
    let read: Reader = |bytes| lfw_bin::decode(bytes).map(drop);
    let repeated = |start: &[u8], again: &[u8], end: &[u8]| [start, again.repeat(many).as_slice(), end].concat();
    for file in [
        repeated(b"", b"N", b"."),
        repeated(b"", b"(", b"."),
        repeated(b"", b"]", b"."),
        repeated(b"", b")", b"."),
        repeated(b"]", b"Na", b"."),
        repeated(b"N", b"\x85", b"."),
        repeated(b"N", b"\x94", b"."),
        repeated(b"]q\0", b"h\0a", b"."),
        repeated(b"]q\0", b"](h\0eq\0", b"."),
        repeated(b"", b"(lp0\n", b"."),
        // A stack that was deep once leaves its room to nobody.
        [b"(", b"N".repeat(60_000).as_slice(), b"1", &b"N\x850".repeat(50_000), b"."].concat(),
    ] {
        assert!(held(read, &file).is_err());
    }
    // One large picture a hundred thousand times, as bytes, as text and as an array, is one picture.
    let large = vec![b'x'; 1 << 20];
    let length = (large.len() as u32).to_le_bytes();
    let truths = [b"](".as_slice(), &b"\x88".repeat(1000), b"e"].concat();
    let bytes = [b"B", &length[..], &large, b"q\0"].concat();
    let text = [b"c_codecs\nencode\nq\x01X", &length[..], &large, b"q\x02X\x06\0\0\0latin1q\x03\x86Rq\0"].concat();
    for first in [bytes, text] {
        let file = [b"(](", first.as_slice(), &b"h\0".repeat(1999), b"e", &truths, b"t."].concat();
        let (pack, most) = peak(|| lfw_bin::decode(&file).unwrap());
        assert_eq!((pack.pictures.len(), pack.pairs.len()), (1, 1000));
        assert!(most < 4 << 20, "{most}");
    }
    let calls = b"h\x01h\x02h\x03\x86R".repeat(1998);
    let text = [b"c_codecs\nencode\nq\x01X", &length[..], &large, b"q\x02X\x06\0\0\0latin1q\x03\x86R"].concat();
    let file = [b"(](", text.as_slice(), b"C\x01a", &calls, b"e", &truths, b"t."].concat();
    let (pack, most) = peak(|| lfw_bin::decode(&file).unwrap());
    assert_eq!((pack.pictures.len(), pack.pairs.len()), (2, 1000));
    assert!(most < 4 << 20, "{most}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Pieces of files moved, doubled and overwritten.
    #[test]
    fn no_mixture_goes_astray(
        which in any::<Index>(),
        edits in prop::collection::vec((any::<Index>(), any::<Index>(), 0usize..12, any::<u8>()), 1..6),
    ) {
        let files = small();
        let (_, mut file, read) = files[which.index(files.len())].clone();
        for (to, from, length, byte) in edits {
            let from = from.index(file.len());
            let mut piece = file[from..(from + length).min(file.len())].to_vec();
            piece.push(byte);
            let to = to.index(file.len());
            let end = if byte % 2 == 0 { to } else { (to + piece.len()).min(file.len()) };
            file.splice(to..end, piece);
        }
        let _ = held(read, &file);
    }

    #[test]
    fn no_noise_goes_astray(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let readers: [Reader; 3] = [
            read_records,
            |bytes| lfw_bin::decode(bytes).map(drop),
            |bytes| caffemodel::decode(bytes).map(drop),
        ];
        for read in readers {
            let _ = held(read, &noise);
        }
        let _ = held(read_records, &[&recordio::MAGIC[..], &noise].concat());
    }
}

/// The same through the archive, which makes names and an index of it.
#[test]
fn archives_of_broken_files_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let tiny: Vec<(f32, Vec<u8>)> = faces().into_iter().map(|(label, face)| (label, face[..20].to_vec())).collect();
    let (file, index) = written(&training(&tiny));
    for end in 4..file.len() {
        for index in [None, Some(index.as_str())] {
            match open(folder.path(), &file[..end], index) {
                Err(error) => assert!(error.exit_code() == 3 && error.to_string().contains("train.rec"), "{error}"),
                Ok(archive) => assert!(index.is_none() && archive.listing().len() <= 3),
            }
        }
    }
    for at in 4..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x41;
        if let Ok(archive) = open(folder.path(), &changed, Some(&index)) {
            (0..archive.listing().len()).for_each(|row| drop(archive.picture(row)));
        }
    }
}
