//! Verification packs: every dress they come in, and pickles that want to be something else.

use crate::pickles::{golden, of_python_2, pictures};
use hallucinet::formats::lfw_bin::{Pack, Pair, decode, is_pickle, read, write};

/// Three pictures in two pairs, the first in both.
fn expected() -> Pack {
    let pairs = vec![Pair { a: 0, b: 1, same: true }, Pair { a: 2, b: 0, same: false }];
    Pack { pictures: pictures().to_vec(), pairs }
}

/// The pictures of every pair and whether they are of one person; whether a picture is shared is none of the reader's
/// business.
fn content(pack: &Pack) -> Vec<(&[u8], &[u8], bool)> {
    pack.pairs.iter().map(|pair| (&*pack.pictures[pair.a], &*pack.pictures[pair.b], pair.same)).collect()
}

#[test]
fn what_python_and_numpy_write_is_read() {
    for (name, file) in golden() {
        assert!(is_pickle(&file), "{name}");
        let pack = decode(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(content(&pack), content(&expected()), "{name}");
        // The shared picture is kept once.
        let shared = !name.starts_with("arrays") && name != "writable_5.pkl";
        assert!(pack.pictures.len() == 3 || !shared, "{name}: {}", pack.pictures.len());
    }
}

#[test]
fn what_python_2_wrote_is_read() {
    let [a, b, c] = pictures();
    for protocol in 0..=2 {
        let file = of_python_2(protocol, &[&a, &b, &c, &a], &[true, false]);
        assert!(is_pickle(&file));
        let pack = decode(&file).unwrap_or_else(|error| panic!("protocol {protocol}: {error}"));
        assert_eq!(content(&pack), content(&expected()), "protocol {protocol}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.bin");
    // More than one batch of either list.
    let pairs: Vec<Pair> = (0..2500).map(|n| Pair { a: n % 3, b: (n + 1) % 3, same: n % 5 == 0 }).collect();
    let pack = Pack { pictures: pictures().to_vec(), pairs };
    write(&path, &pack).unwrap();
    assert_eq!(content(&read(&path).unwrap()), content(&pack));
    let file = std::fs::read(&path).unwrap();
    write(&path, &pack).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), file, "the same pack gives the same bytes");
    let broken = Pack { pictures: Vec::new(), pairs: vec![Pair { a: 0, b: 0, same: true }] };
    assert!(write(&path, &broken).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), file);
}

/// `golden/pickles.py` has Python read these bytes.
#[test]
fn what_is_written_is_what_python_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.bin");
    let pairs = vec![Pair { a: 0, b: 1, same: true }, Pair { a: 0, b: 0, same: false }];
    write(&path, &Pack { pictures: vec![b"a".to_vec(), b"bc".to_vec()], pairs }).unwrap();
    let expected = b"\x80\x03](B\x01\0\0\0aB\x02\0\0\0bcB\x01\0\0\0aB\x01\0\0\0ae](\x88\x89e\x86.";
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}

#[test]
fn pickles_that_are_no_packs_say_what_and_where() {
    for (file, part) in [
        (&b""[..], "ends at byte 0"),
        (b".", "with 0 values"),
        (b"\x80\x06.", "opcode 0x80 at byte 0: protocol 6"),
        (b"\x80\x04cos\nsystem\n(Vid\ntR.", "opcode 0x63 'c' at byte 2: \"system\" of \"os\" is not data"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "opcode 0x93 at byte 18: \"eval\" of \"builtins\" is not data"),
        (b"c__builtin__\ngetattr\n.", "\"getattr\" of \"__builtin__\" is not data"),
        (b"(ios\nsystem\n.", "opcode 0x69 'i' at byte 1: no opcode that"),
        (b"(co.", "its line does not end"),
        (b"o.", "opcode 0x6f 'o' at byte 0"),
        (b"N\x81.", "opcode 0x81 at byte 1"),
        (b"\x82\x01.", "opcode 0x82"),
        (b"Pabc\n.", "opcode 0x50 'P'"),
        (b"Q.", "opcode 0x51 'Q'"),
        (b"}.", "opcode 0x7d '}'"),
        (b"\x97.", "opcode 0x97"),
        (b"G\0\0\0\0\0\0\0\0.", "opcode 0x47 'G'"),
        (b"cnumpy\ndtype\n(Vf8\ntR.", "numbers of type \"f8\""),
        (b"cnumpy\ndtype\n(Vu1\ntb.", "not that of an array of bytes"),
        (b"cnumpy\nndarray\n(tR.", "NdArray with arguments"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "Encode with arguments"),
        (b"NNR.", "has no name"),
        (b"NNb.", "not that of an array"),
        (b"Na.", "the stack is empty"),
        (b"NNa.", "appended to what is no list"),
        (b"(a.", "the stack is empty"),
        (b"]t.", "there is no mark"),
        (b"N(\x85.", "the stack is empty"),
        (b"h\x07.", "nothing is remembered under 7"),
        (b"g99999999999999999999999\n.", "is not a number"),
        (b"Nq\x07q", "1 bytes are needed"),
        (b"I1e9\n.", "is not a number"),
        (b"L1\n", "before the pickle does"),
        (b"\x8a\xff.", "255 bytes are needed"),
        (b"\x8a\x090123456789.", "a number of 9 bytes"),
        (b"B\xff\xff\xff\xffx.", "4294967295 bytes are needed and 2 are left"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffx.", "18446744073709551615 bytes are needed"),
        (b"\x96\xff\xff\xff\xff\xff\xff\xff\x7fx.", "bytes are needed and 2 are left"),
        (b"\x95\xff\0\0\0\0\0\0\0.", "a frame of 255 bytes, and 1 are left"),
        (b"S'a\n.", "without its quotes"),
        (b"S'\n.", "without its quotes"),
        (b"NN.", "with 2 values"),
        (b"N(.", "inside a list"),
        (b"(]]t.tail", "the file does not"),
        (b"N.", "0 things"),
        (b"].", "0 things"),
        (b"(]]]t.", "3 things"),
        (b"(]]t.", "0 pictures do not make 0 pairs"),
        (b"(]N\x88at.", "appended to what is no list"),
        (b"(](C\x01ae](\x88et.", "1 pictures do not make 1 pairs"),
        (b"(](C\x01aC\x01be](Net.", "truths holds something else"),
        (b"(](C\x01aC\x01be](K\x02et.", "2 does not say"),
        (b"(](C\x01aC\x01beC\x01\x01t.", "the truths are not a list"),
        (b"(C\x01a](\x88et.", "the pictures are not a list"),
        (b"(](C\x01aX\x01\0\0\0be](\x88et.", "picture 2 is not bytes"),
        (b"(](S'\\q'\nS'b'\ne](\x88et.", "has a wrong escape"),
        (b"(](S'\\x+1'\nS'b'\ne](\x88et.", "has a wrong escape"),
        (b"(](S'\\'\nS'b'\ne](\x88et.", "has a wrong escape"),
        (b"(](c_codecs\nencode\n(X\x02\0\0\0\xc4\x80Vlatin1\ntRC\x01be](\x88et.", "is not of bytes"),
        (b"(](c_codecs\nencode\n(X\x01\0\0\0\xffVlatin1\ntRC\x01be](\x88et.", "is not UTF-8"),
        (b"(](c_codecs\nencode\n(V\\u0100\nVlatin1\ntRC\x01be](\x88et.", "has a wrong escape"),
        (b"(](cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntRC\x01be](\x88et.", "picture 1 is not bytes"),
    ] {
        let error = decode(file).expect_err(part);
        assert!(error.contains(part), "{}: {error}, not {part}", file.escape_ascii());
    }
    let array = |shape: &[u8]| {
        let name = b"(](cnumpy.core.numeric\n_frombuffer\n(C\x03abccnumpy\ndtype\n(Vu1\ntR(";
        [name.as_slice(), shape, b"tVC\ntRC\x01be](\x88et."].concat()
    };
    assert_eq!(decode(&array(b"K\x03")).unwrap().pictures[0], b"abc");
    for (shape, part) in [
        (&b"K\x04"[..], "has 3 bytes, not 4"),
        (b"J\xff\xff\xff\xff", "has 3 bytes, not -1"),
        (b"K\x01K\x03", "an array of 2 dimensions"),
        (b"", "an array of 0 dimensions"),
    ] {
        let error = decode(&array(shape)).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lfw.bin");
    std::fs::write(&path, b"cos\nsystem\n.").unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("lfw.bin"), "{error}");
    assert_eq!(read(folder.path()).unwrap_err().exit_code(), 3);
    assert_eq!(read(&folder.path().join("absent")).unwrap_err().exit_code(), 3);
}
