//! Pairs of clips: the official list of YouTube Faces, its relatives, and lists that are none.

use hallucinet::data::splits::{ClipPair, Splits};
use proptest::prelude::*;

use crate::{folder, shared};

fn read(bytes: &[u8]) -> hallucinet::Result<Splits> {
    let folder = folder();
    let path = folder.path().join("splits.txt");
    std::fs::write(&path, bytes).unwrap();
    Splits::read(&path)
}

const LIST: &str = "1, 1, A_B/0, A_B/5, 1\n1, 2, A_B/0, C/1, 0\n10, 1, D/2, D/3, 1\n10, 2, D/2, A_B/5, 0\n";

#[test]
fn a_list_in_every_dress() {
    let list = read(LIST.as_bytes()).unwrap();
    let first = ClipPair { a: "A_B/0".into(), b: "A_B/5".into(), same: true, fold: 1 };
    assert_eq!((list.pairs.len(), &list.pairs[0], list.folds()), (4, &first, vec![1, 10]));
    assert!(!list.pairs[3].same && list.pairs[3].fold == 10);
    for text in [
        LIST.replace('\n', "\r\n"),
        LIST.trim_end().to_owned(),
        LIST.replace(", ", ","),
        LIST.replace(", ", "\t"),
        format!("split number, pair number, first name, second name, is same\n{LIST}"),
        format!("\u{feff}{LIST}\n\n"),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap(), list, "{text:?}");
    }
}

#[test]
fn broken_lists_name_the_line() {
    for (text, part) in [
        ("", "no pairs of clips"),
        ("split, pair, first, second, same\n", "no pairs of clips"),
        ("1, 1, A/0, A/5, 1\n1, 2, A/0, C/1, 0\n", "fold 1 alone"),
        ("1, 1, A/0, A/5\n2, 1, A/0, C/1, 0\n", "line 1"),
        ("1, 1, A/0, A/5, 1, 0.7\n2, 1, A/0, C/1, 0\n", "line 1"),
        ("1, 1, A/0, A/5, 1\n2, 1, A/0, C/1, 2\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n0, 1, A/0, C/1, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n99999999999999999999, 1, A/0, C/1, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n2, x, A/0, C/1, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n2, 1, A, C/1, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n2, 1, ../0, C/1, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\n2, 1, A/0, C/1/2, 0\n", "line 2"),
        ("1, 1, A/0, A/5, 1\nsplit, pair, first, second, same\n2, 1, A/0, C/1, 0\n", "line 2"),
    ] {
        let error = read(text.as_bytes()).expect_err(text);
        assert!(error.exit_code() == 3 && error.to_string().contains(part), "{text:?}: {error}");
        assert!(error.to_string().contains("splits.txt"), "{error}");
    }
    assert_eq!(read(b"1, 1, A/0, A/\xff, 1\n").unwrap_err().exit_code(), 3);
}

#[test]
fn a_list_cut_anywhere_is_a_shorter_list_or_an_error() {
    let whole = read(LIST.as_bytes()).unwrap();
    for end in 0..LIST.len() {
        match read(&LIST.as_bytes()[..end]) {
            Ok(list) => assert!(whole.pairs.starts_with(&list.pairs), "cut at {end}"),
            Err(error) => assert_eq!(error.exit_code(), 3),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_bytes_break_the_reader(at in 0..LIST.len(), byte: u8, junk in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut changed = LIST.as_bytes().to_vec();
        changed[at] = byte;
        for bytes in [changed, junk] {
            if let Err(error) = read(&bytes) {
                prop_assert_eq!(error.exit_code(), 3);
            }
        }
    }
}

#[test]
fn the_official_list_and_its_relatives() {
    let Some(data) = shared("the_official_list_and_its_relatives") else { return };
    for (name, pairs, same) in
        [("splits.txt", 5000, 2500), ("splits_available.txt", 447, 419), ("pairs_made.txt", 984, 492)]
    {
        let list = Splits::read(&data.join("ytf").join(name)).unwrap();
        assert_eq!((list.pairs.len(), list.folds()), (pairs, (1..=10).collect()), "{name}");
        assert_eq!(list.pairs.iter().filter(|pair| pair.same).count(), same, "{name}");
    }
}
