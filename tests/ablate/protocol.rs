//! Who is held out: people of a tested fold are in no training, whichever list says who they are.

use crate::{config, faces, request, with_context};
use hallucinet::data::faces::{Selection, Source};
use hallucinet::tasks::ablate::{self, Request};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The faces under LFW's names: `Name/Name_0001.png`.
fn lfw(folder: &Path) -> PathBuf {
    let (from, to) = (faces(folder), folder.join("lfw"));
    for person in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let name = person.file_name().unwrap().to_str().unwrap().to_owned();
        std::fs::create_dir_all(to.join(&name)).unwrap();
        for number in 1..=3 {
            let picture = person.join(format!("{:04}.png", number - 1));
            std::fs::copy(picture, to.join(&name).join(format!("{name}_{number:04}.png"))).unwrap();
        }
    }
    to
}

/// Three folds of the people 0-3, 4-7 and 8-11: six pairs of one, six of two.
fn pairs(folder: &Path) -> PathBuf {
    let mut text = "3\t6\n".to_owned();
    for fold in 0..3 {
        let name = |person: usize| format!("id{:05}", 4 * fold + person % 4);
        (0..6).for_each(|pair| text += &format!("{}\t{}\t{}\n", name(pair), 1 + pair / 4, 2 + pair / 4));
        (0..6).for_each(|pair| text += &format!("{}\t{}\t{}\t2\n", name(pair), 1 + pair % 3, name(pair + 1)));
    }
    std::fs::write(folder.join("pairs.txt"), text).unwrap();
    folder.join("pairs.txt")
}

/// The people that a training of an experiment selects.
fn trained(data: &Path, run: &Path) -> BTreeSet<String> {
    let config = config(&std::fs::read_to_string(run.join("config.toml")).unwrap());
    let list = hallucinet::tasks::train::beside(data, Path::new(config.data.people.as_ref().unwrap()));
    let people = hallucinet::data::lists::People::read(&list).unwrap().of_sets(&config.data.sets).unwrap();
    let source = Source::open(data).unwrap();
    let rows = source.select(&Selection { people: Some(people), min_images: config.data.min_images }).unwrap();
    source.listing().subset(&rows).identities.into_iter().collect()
}

fn people(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|person| format!("id{person:05}")).collect()
}

fn small(folder: &Path) -> Request {
    let mut request = request(&lfw(folder), folder.join("out"), &[1]);
    request.pairs = Some(pairs(folder));
    request.rows = vec!["recognition-lr".into()];
    request
}

/// With a list of people whose sets are those of the folds.
fn of_sets(folder: &Path, sets: &[usize]) -> Request {
    let mut request = small(folder);
    let set = |first: usize| people(first..first + 4).iter().map(|name| format!("{name}\t3\n")).collect::<String>();
    let list = format!("3\n4\n{}4\n{}4\n{}", set(0), set(4), set(8));
    std::fs::write(folder.join("people.txt"), list).unwrap();
    request.config.data.people = Some("people.txt".into());
    request.config.data.sets = sets.to_vec();
    request
}

#[test]
fn pairs_alone_hold_their_people_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = small(folder.path());
    request.folds = vec![2, 3];
    let findings = with_context(None, |context| ablate::ablate(context, &request)).unwrap();
    assert_eq!((findings.folds.as_slice(), findings.statistics.pairs), (&[2, 3][..], (12, 12)));
    let all = people(0..12);
    for (fold, tested) in [(2, people(4..8)), (3, people(8..12))] {
        let run = request.out.join(format!("seed-1/fold-{fold}/recognition-lr"));
        assert_eq!(trained(&request.data, &run), &all - &tested, "fold {fold}");
    }
}

#[test]
fn sets_of_people_belong_to_folds_of_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = of_sets(folder.path(), &[1, 2]);
    // Set 3 is left out of training, so fold 3 is what is tested unless somebody says otherwise.
    let findings = with_context(None, |context| ablate::ablate(context, &request)).unwrap();
    assert_eq!(findings.folds, [3]);
    assert_eq!(trained(&request.data, &request.out.join("seed-1/all-sets/recognition-lr")), people(0..8));
    // Held out in turn, a set of the pool is taken from it, and set 3 stays unseen.
    request.folds = vec![1];
    with_context(None, |context| ablate::ablate(context, &request)).unwrap();
    assert_eq!(trained(&request.data, &request.out.join("seed-1/fold-1/recognition-lr")), people(4..8));
}

/// Folds outside the training sets are trained for once, and their differences are one observation of a training's luck.
#[test]
fn folds_that_train_on_the_same_people_share_their_trainings() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = of_sets(folder.path(), &[1]);
    let plan = with_context(None, |context| ablate::plan(context, &request)).unwrap();
    assert!(plan.trainings.iter().all(|training| training.fold == 2), "those of fold 3 are the same");
    let findings = with_context(None, |context| ablate::ablate(context, &request)).unwrap();
    assert_eq!((findings.folds.as_slice(), findings.statistics.cells), (&[2, 3][..], 2));
    let seed = request.out.join("seed-1");
    assert!(!seed.join("fold-2/recognition-lr").exists() && seed.join("all-sets/recognition-lr").is_dir());
    assert!(seed.join("fold-2/scores.json").is_file() && seed.join("fold-3/scores.json").is_file());
    assert!(findings.statistics.differences.iter().all(|difference| difference.cells.is_none()), "one training each");
    request.folds = vec![1, 3];
    let refused = with_context(None, |context| ablate::ablate(context, &request)).unwrap_err();
    assert!(refused.to_string().contains("no set is left to train on"), "{refused}");
}

#[test]
fn a_split_has_people_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let mut all = Vec::new();
    for fold in 1..=4 {
        let mut request = request(&data, folder.path().join(format!("out{fold}")), &[1]);
        (request.folds, request.rows) = (vec![fold], vec!["recognition-lr".into()]);
        let findings = with_context(None, |context| ablate::ablate(context, &request)).unwrap();
        // Three people of three pictures: three pairs of each one, and as many of two.
        assert_eq!((findings.trained_on, findings.statistics.pairs), ((9, 27), (18, 18)));
        let run = request.out.join(format!("seed-1/fold-{fold}/recognition-lr"));
        all.extend(&people(0..12) - &trained(&data, &run));
    }
    all.sort();
    assert_eq!(all, people(0..12).into_iter().collect::<Vec<_>>(), "each is held out once");
}
