//! People and pairs: the official files, and files that say one thing and hold another.

use hallucinet::Error;
use hallucinet::data::folder::{self, Listing};
use hallucinet::data::lists::{Pairs, People};

use crate::{folder, shared};

fn written<T>(text: &str, read: impl Fn(&std::path::Path) -> Result<T, Error>) -> Result<T, Error> {
    let folder = folder();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, text).unwrap();
    read(&path)
}

fn refused<T>(text: &str, read: impl Fn(&std::path::Path) -> Result<T, Error>, part: &str) {
    match written(text, read) {
        Ok(_) => panic!("{text:?} is read"),
        Err(error) => {
            assert!(error.exit_code() == 3 && error.to_string().contains(part), "{text:?}: {error}");
            assert!(error.to_string().contains("list.txt"), "{error}");
        }
    }
}

const PAIRS: &str = "2\t1\nA\t1\t2\nA\t1\tB\t3\nB\t1\t3\nC\t1\tA\t2\n";

#[test]
fn pairs_in_all_line_endings() {
    let expected = written(PAIRS, Pairs::read).unwrap();
    assert_eq!((expected.folds.len(), expected.total()), (2, 4));
    assert_eq!(expected.folds[1][1].a, ("C".to_string(), 1));
    assert!(expected.folds[0][0].same && !expected.folds[0][1].same);
    for text in
        [PAIRS.replace('\n', "\r\n"), PAIRS.trim_end().to_string(), PAIRS.replace('\t', " "), format!("{PAIRS}\n\n")]
    {
        assert_eq!(written(&text, Pairs::read).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn broken_pairs_name_the_line() {
    for (text, part) in [
        ("", "ends where"),
        ("2\n", "line 1"),
        ("1\t2\nA\t1\t2\nA\t1\t2\nA\t1\tB\t1\nA\t1\tB\t1\n", "line 1"),
        ("0\t1\n", "line 1"),
        ("2\t0\n", "line 1"),
        ("18446744073709551615\t2\n", "line 1"),
        ("4611686018427387904\t2\nA\t1\t2\n", "line 1"),
        ("-2\t1\n", "line 1"),
        ("2\t1\nA\t1\t2\nA\t1\tB\t3\nB\t1\t3\n", "line 1"),
        ("2\t1\nA\t1\t2\nA\t1\tB\t3\nB\t1\t3\nC\t1\tA\t2\nC\t1\tA\t2\n", "line 1"),
        ("2\t1\nA\t1\t2\nA\t1\t3\nB\t1\t3\nC\t1\tA\t2\n", "line 3"),
        ("2\t1\nA\t1\tB\t2\nA\t1\tB\t3\nB\t1\t3\nC\t1\tA\t2\n", "line 2"),
        ("2\t1\nA\t1\tx\nA\t1\tB\t3\nB\t1\t3\nC\t1\tA\t2\n", "line 2"),
        ("2\t1\nA\t1\t0\nA\t1\tB\t3\nB\t1\t3\nC\t1\tA\t2\n", "line 2"),
    ] {
        refused(text, Pairs::read, part);
    }
    let folder = folder();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, [b'2', b'\t', 0xff, b'\n']).unwrap();
    assert_eq!(Pairs::read(&path).unwrap_err().exit_code(), 3);
    assert_eq!(Pairs::read(&folder.path().join("absent")).unwrap_err().exit_code(), 3);
}

#[test]
fn pairs_find_their_pictures_by_any_ending() {
    let names = ["A/A_0001.jpg", "A/A_0002.png", "B/B_0001.PGM", "B/B_0003.txt", "C/C_0001.jpeg"].map(String::from);
    let resolved = written(PAIRS, Pairs::read).unwrap().resolve(&Listing::of_identities(names.to_vec()));
    assert_eq!(resolved.folds, [[Some((0, 1)), None], [None, Some((4, 1))]]);
    assert_eq!(resolved.missing, ["B/B_0003"]);
    assert_eq!(resolved.used(), 2);
}

#[test]
fn people_as_sets_as_development_list_and_plain() {
    let named = |names: &[(&str, Option<usize>)]| -> Vec<(String, Option<usize>)> {
        names.iter().map(|(name, count)| (name.to_string(), *count)).collect()
    };
    let sets = written("2\n2\nA\t1\nB\t3\n1\nC\t2\n", People::read).unwrap();
    assert_eq!(sets.sets, [named(&[("A", Some(1)), ("B", Some(3))]), named(&[("C", Some(2))])]);
    assert_eq!(sets.of_sets(&[2]).unwrap(), named(&[("C", Some(2))]));
    assert_eq!(sets.of_sets(&[]).unwrap().len(), 3);
    for number in [0, 3] {
        assert_eq!(sets.of_sets(&[number]).unwrap_err().exit_code(), 3);
    }
    let development = written("2\r\nA\t1\r\nB\t3", People::read).unwrap();
    assert_eq!(development.sets, [named(&[("A", Some(1)), ("B", Some(3))])]);
    let plain = written("A\nB\n", People::read).unwrap();
    assert_eq!(plain.sets, [named(&[("A", None), ("B", None)])]);
    let numbers = written("0000045\n0000099\n", People::read).unwrap();
    assert_eq!(numbers.sets, [named(&[("0000045", None), ("0000099", None)])]);
}

#[test]
fn broken_people_name_the_line() {
    for (text, part) in [
        ("", "names nobody"),
        ("1\n3\nA\t1\nB\t1\n", "ends where"),
        ("1\n1\nA\t1\nB\t1\n", "line 4"),
        ("3\n1\nA\t1\n1\nB\t1\n", "ends where"),
        ("9999999999\n1\nA\t1\n", "ends where"),
        ("1\n1\nA\tmany\n", "line 3"),
        ("1\n1\nA\t1\t2\n", "line 3"),
        ("2\n1\nA\t1\nB\t1\n", "line 4"),
    ] {
        refused(text, People::read, part);
    }
}

#[test]
fn the_official_lists_and_the_pictures_there() {
    let Some(data) = shared("the_official_lists_and_the_pictures_there") else { return };
    let (listing, outside) = folder::identities(&data.join("lfw/images")).unwrap();
    assert_eq!((listing.len(), listing.identities.len(), outside), (10_243, 4_560, 0));
    assert!(listing.names.is_sorted() && listing.identities.is_sorted());
    let pairs = Pairs::read(&data.join("lfw/pairs.txt")).unwrap();
    let resolved = pairs.resolve(&listing);
    assert_eq!((pairs.folds.len(), pairs.total(), resolved.used()), (8, 4800, 4800));
    let official = Pairs::read(&data.join("lfw/official/pairs.txt")).unwrap();
    let resolved = official.resolve(&listing);
    assert_eq!((official.folds.len(), official.total()), (10, 6000));
    assert_eq!(resolved.used(), 4800);
    assert!(!resolved.missing.is_empty());
    let people = People::read(&data.join("lfw/people.txt")).unwrap();
    assert_eq!((people.sets.len(), people.of_sets(&[]).unwrap().len()), (8, 4_560));
    assert_eq!(people.of_sets(&[1]).unwrap().len(), 601);
}

/// Cut anywhere, or with any byte changed: a list or an error, never a panic, and never a longer list.
#[test]
fn hostile_lists_are_lists_or_errors() {
    let people = "2\n2\nA\t1\nB\t3\n1\nC\t2\n";
    let folder = folder();
    let path = folder.path().join("list.txt");
    for text in [PAIRS, people] {
        for at in 0..text.len() {
            let mut variants = vec![text.as_bytes()[..at].to_vec()];
            for byte in [0, b'\n', b'\t', b'#', b'-', b'9', 0x7f, 0xc3, 0xff] {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                variants.push(changed);
            }
            for variant in variants {
                std::fs::write(&path, &variant).unwrap();
                match Pairs::read(&path) {
                    Ok(pairs) => assert!(pairs.total() <= 4),
                    Err(error) => assert_eq!(error.exit_code(), 3),
                }
                match People::read(&path) {
                    Ok(people) => assert!(people.of_sets(&[]).unwrap().len() <= 7),
                    Err(error) => assert_eq!(error.exit_code(), 3),
                }
            }
        }
    }
}
