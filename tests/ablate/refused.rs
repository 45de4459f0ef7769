//! Bad input: the right exit code, a sentence with the right words, and nothing written.

use crate::{CONFIG, config, faces, request, with_context};
use hallucinet::tasks::ablate::{self, Request};
use std::path::Path;

fn refused(request: &Request, code: i32, words: &str) {
    let error = with_context(None, |context| ablate::ablate(context, request)).map(|_| ()).unwrap_err();
    assert!(error.exit_code() == code && error.to_string().contains(words), "{}: {error}", error.exit_code());
}

#[test]
fn what_makes_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let good = request(&faces(folder.path()), folder.path().join("out"), &[1]);
    for mode in ["recognition-lr", "hallucination", "recognition-hr"] {
        let text =
            CONFIG.replace("mode = \"joint\"", &format!("mode = \"{mode}\"")).replace("distill = 2", "distill = 0");
        refused(&Request { config: config(&text), ..good.clone() }, 2, "joint");
    }
    refused(&Request { rows: vec!["joined".into()], ..good.clone() }, 2, "joint-staged");
    refused(&Request { folds: vec![5], ..good.clone() }, 2, "1 to 4");
    refused(&Request { data: "nowhere".into(), ..good.clone() }, 3, "nowhere");
    refused(&Request { pairs: Some("nowhere.txt".into()), ..good.clone() }, 3, "nowhere.txt");
    let mut people = good.clone();
    people.config.data.people = Some("people.txt".into());
    refused(&people, 2, "--pairs");
    assert!(!good.out.exists());
}

#[test]
fn people_who_are_trained_on_are_not_tested() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    // Names as LFW has them, so that the pairs find their pictures.
    let person = |name: &str| data.join(name);
    for name in ["id00000", "id00001"] {
        for number in 0..3 {
            let named = person(name).join(format!("{name}_{:04}.png", number + 1));
            std::fs::rename(person(name).join(format!("{number:04}.png")), named).unwrap();
        }
    }
    let lines = "id00000\t1\t2\nid00001\t1\t2\nid00000\t1\tid00001\t1\nid00000\t2\tid00001\t2\n";
    let pairs = folder.path().join("pairs.txt");
    std::fs::write(&pairs, format!("2\t2\n{lines}{lines}")).unwrap();
    std::fs::write(folder.path().join("people.txt"), "2\n1\nid00002\n2\nid00001\nid00003\n").unwrap();
    let mut request = Request { pairs: Some(pairs), folds: vec![1], ..request(&data, folder.path().join("out"), &[1]) };
    request.config.data.people = Some("people.txt".into());
    refused(&request, 3, "id00001");
    std::fs::remove_file(person("id00000").join("id00000_0001.png")).unwrap();
    refused(&request, 3, "id00000_0001");
    assert!(!request.out.exists());
}

#[test]
fn a_folder_that_holds_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let mut mine = request(&data, folder.path().join("out"), &[1]);
    mine.rows = vec!["recognition-lr".into()];
    with_context(None, |context| ablate::ablate(context, &mine)).unwrap();
    let mut other = mine.clone();
    other.config.train.stages[0].recipe.lr = 0.02;
    refused(&other, 5, "another experiment");
    let occupied = folder.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    std::fs::write(occupied.join("mine.txt"), "mine").unwrap();
    refused(&Request { out: occupied.clone(), ..mine.clone() }, 5, "not empty");
    assert!(Path::new(&occupied.join("mine.txt")).exists());
    refused(&Request { out: occupied.join("mine.txt"), ..mine }, 5, "mine.txt");
}
