//! Verification packs as Python and numpy pickle them (`golden/pickles.py` made the files), and as Python 2 did,
//! written by hand.

/// The bytes of the three pictures.
pub fn pictures() -> [Vec<u8>; 3] {
    [b"ab\xff\n\r\t\x00\x1a'\"".to_vec(), b"\\u0041\\x41\\n".to_vec(), (0..=255).collect()]
}

/// Name and content of every file that `golden/pickles.py` made.
pub fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/golden");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pkl"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert_eq!(files.len(), 16);
    files
}

/// Python 2's `repr` of a string.
fn shown(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            b'\'' | b'\\' => text.extend([b'\\', *byte]),
            b' '..=b'~' => text.push(*byte),
            _ => text.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    text.push(b'\'');
    text
}

/// As Python 2's cPickle writes lists of `str` and of truths: protocol 0, 1 or 2.
pub fn of_python_2(protocol: u8, pictures: &[&[u8]], same: &[bool]) -> Vec<u8> {
    let mut file = if protocol == 2 { vec![0x80, 2] } else { vec![b'('] };
    let mut key = 0u8;
    let mut remember = |file: &mut Vec<u8>| {
        key = key.wrapping_add(1);
        if protocol == 0 { file.extend(format!("p{key}\n").bytes()) } else { file.extend([b'q', key]) }
    };
    let begin: &[u8] = if protocol == 0 { b"(l" } else { b"]" };
    file.extend(begin);
    remember(&mut file);
    file.extend_from_slice(if protocol == 0 { b"" } else { b"(" });
    for picture in pictures {
        match protocol {
            0 => file.extend([b"S", shown(picture).as_slice(), b"\n"].concat()),
            _ if picture.len() < 256 => file.extend([&[b'U', picture.len() as u8], *picture].concat()),
            _ => file.extend([b"T", &(picture.len() as u32).to_le_bytes()[..], picture].concat()),
        }
        remember(&mut file);
        file.extend_from_slice(if protocol == 0 { b"a" } else { b"" });
    }
    file.extend_from_slice(if protocol == 0 { b"" } else { b"e" });
    file.extend(begin);
    remember(&mut file);
    file.extend_from_slice(if protocol == 0 { b"" } else { b"(" });
    for same in same {
        match protocol {
            0 => file.extend(format!("I0{}\na", u8::from(*same)).bytes()),
            1 => file.extend(format!("I0{}\n", u8::from(*same)).bytes()),
            _ => file.push(if *same { 0x88 } else { 0x89 }),
        }
    }
    file.extend_from_slice(if protocol == 0 { b"" } else { b"e" });
    file.extend_from_slice(if protocol == 2 { b"\x86" } else { b"t" });
    remember(&mut file);
    file.push(b'.');
    file
}
