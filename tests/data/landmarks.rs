//! Lists of landmarks in every dress, and what is wrong with some.

use hallucinet::data::align::{Landmarks, Points};
use proptest::prelude::*;

use crate::{folder, shared};

const A: Points = [[30.0, 50.0], [64.0, 51.0], [47.0, 70.0], [32.0, 91.0], [61.5, 92.0]];
const B: Points = [[20.0, 40.0], [54.0, 41.0], [37.0, 60.0], [22.0, 81.0], [51.5, 82.0]];
const LIST: &str =
    "a/1.jpg\t30\t50\t64\t51\t47\t70\t32\t91\t61.5\t92\nb/2.jpg\t20\t40\t54\t41\t37\t60\t22\t81\t51.5\t82\n";

fn read(bytes: &[u8]) -> hallucinet::Result<Landmarks> {
    let folder = folder();
    let path = folder.path().join("landmarks.csv");
    std::fs::write(&path, bytes).unwrap();
    Landmarks::read(&path)
}

fn holds(text: &str) {
    let list = read(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!((list.len(), list.of("a/1.jpg"), list.of("b/2.jpg")), (2, Some(&A), Some(&B)), "{text:?}");
}

#[test]
fn a_list_in_every_dress() {
    let csv = LIST.replace('\t', ",");
    let titles = "path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5";
    for text in [
        LIST.to_owned(),
        csv.clone(),
        csv.replace(',', ", "),
        LIST.replace('\t', " "),
        csv.replace('\n', "\r\n"),
        csv.trim_end().replace('\n', ",0.99\n") + ",0.5",
        format!("\u{feff}# made by hand\n{csv}"),
        format!("{titles}\n{csv}"),
        format!("2\n{titles}\n{csv}"),
        format!("2\n{LIST}"),
        format!("{}\n{csv}", titles.to_uppercase().replace("PATH", "File Name")),
        format!("image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\n{csv}"),
        format!("{}\n{}", titles.replace(',', "\t"), LIST),
        format!("{},score\n{},0.99\n", titles, csv.trim_end().replace('\n', ",0.99\n")),
        // CelebA's list: the number of rows, titles for the numbers alone.
        format!(
            "2\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y\n{}",
            LIST.replace('\t', "  ")
        ),
        // All x before all y, as MTCNN's users write it; the titles say so.
        "path,x1,x2,x3,x4,x5,y1,y2,y3,y4,y5\na/1.jpg,30,64,47,32,61.5,50,51,70,91,92\n\
         b/2.jpg,20,54,37,22,51.5,40,41,60,81,82\n"
            .to_owned(),
        "file,score,Mouth Right X,Mouth Right Y,Mouth Left X,Mouth Left Y,Nose Tip X,Nose Tip Y,Right Eye X,Right Eye Y,\
         Left Eye X,Left Eye Y\na/1.jpg,1,61.5,92,32,91,47,70,64,51,30,50\nb/2.jpg,1,51.5,82,22,81,37,60,54,41,20,40\n"
            .to_owned(),
    ] {
        holds(&text);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let csv = LIST.replace('\t', ",");
    let named = "path,lefteyex,lefteyey,righteyex,righteyey,nosex,nosey,leftmouthx,leftmouthy,rightmouthx,rightmouthy";
    let exchanged =
        named.replace("left", "l").replace("right", "left").replace("leye", "righteye").replace("lmouth", "rightmouth");
    for (text, part) in [
        (String::new(), "has no landmarks"),
        ("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n".to_owned(), "has no landmarks"),
        (format!("3\n{LIST}"), "line 1: 3 rows are promised, and 2 follow"),
        (format!("{LIST}7\n"), "line 3: 0 numbers"),
        (format!("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,z5\n{csv}"), "line 1: \"z5\" is no title"),
        (format!("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y6\n{csv}"), "line 1: \"y6\" is no title"),
        (format!("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,x5\n{csv}"), "line 1: \"x5\" stands for"),
        (format!("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,score\n{csv}"), "line 1: its titles do not name"),
        (format!("path,x99999999999999999999,y1,x2,y2,x3,y3,x4,y4,x5,y5\n{csv}"), "line 1"),
        (
            format!("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5,score\n{csv}"),
            "line 2: 10 numbers after the path, where 11 have titles",
        ),
        (format!("{exchanged}\n{csv}"), "most left eyes are to the right"),
        (format!("{LIST}{LIST}"), "line 3: \"a/1.jpg\" has a row already"),
        (LIST.replace("64", "NaN"), "line 1: \"NaN\" is not a finite number"),
        (LIST.replace("54", "1e999"), "line 2: \"1e999\" is not a finite number"),
        (LIST.replace("\t92", ""), "line 1: 9 numbers"),
    ] {
        let error = read(text.as_bytes()).expect_err(part);
        assert!(error.exit_code() == 3 && error.to_string().contains(part), "{error}, not {part}");
        assert!(error.to_string().contains("landmarks.csv"), "{error}");
    }
    holds(&format!("{named}\n{csv}"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_bytes_break_the_reader(at in 0usize..300, byte: u8, junk in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut changed = format!("2\npath,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n{}", LIST.replace('\t', ",")).into_bytes();
        let at = at % changed.len();
        let cut = changed[..at].to_vec();
        changed[at] = byte;
        for bytes in [cut, changed, junk] {
            if let Err(error) = read(&bytes) {
                prop_assert_eq!(error.exit_code(), 3);
            }
        }
    }
}

#[test]
fn the_lists_of_lfw_and_youtube_faces() {
    let Some(data) = shared("the_lists_of_lfw_and_youtube_faces") else { return };
    for (name, rows) in [("lfw", 10_243), ("lfw_raw", 197), ("ytf", 1_254)] {
        assert_eq!(Landmarks::read(&data.join(name).join("landmarks.txt")).unwrap().len(), rows, "{name}");
    }
}
