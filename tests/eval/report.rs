//! The page of an evaluation: every picture, curve, mistake and layer that it promises.

use crate::fixture::{PAIRS, World, with};

fn page(world: &World, out: &str) -> String {
    std::fs::read_to_string(world.path(out).join("report.html")).unwrap()
}

#[test]
fn the_worst_mistakes_are_those_of_the_scores_the_furthest_first() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr", "--out", "out"]));
    let page = page(&world, "out");
    let scores = world.scores("out");
    let mut mistakes = 0;
    for (same, heading) in [("0", "Different people, accepted"), ("1", "One person, rejected")] {
        let mut wrong: Vec<&Vec<String>> = scores.iter().filter(|row| row[2] == same && row[6] == "0").collect();
        let number = |text: &String| text.parse::<f64>().unwrap();
        let distance = |row: &Vec<String>| (number(&row[4]) - number(&row[5])).abs();
        wrong.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
        assert_eq!(page.contains(heading), !wrong.is_empty());
        let Some((_, section)) = page.split_once(heading) else { continue };
        let section = section.split("<h2>").next().unwrap();
        assert!(section.contains("data:image/png;base64,"));
        let mut rest = section;
        for row in wrong.iter().take(8) {
            for cell in [&row[0], &row[1], &format!("{:.4}", number(&row[4]))] {
                rest = rest.split_once(&format!(">{cell}</td>")).unwrap_or_else(|| panic!("no {cell} in {rest}")).1;
            }
        }
        mistakes += wrong.len();
    }
    assert!(mistakes > 0, "weights of a seed that make no mistake test nothing");
}

#[test]
fn a_page_has_both_curves_and_the_time_of_the_layers() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr", "--out", "out"]));
    let page = page(&world, "out");
    for word in
        ["true accept rate", "false reject rate", "Time of each layer", "hallucinator.", "recognizer.", "GFLOP/s"]
    {
        assert!(page.contains(word), "no {word}");
    }
}

#[test]
fn restoration_alone_has_pictures_and_times_and_no_verification() {
    let world = World::new();
    let hallucinator = world.model("hallucinator.safetensors", true, false);
    world.document(&hallucinator, "faces", &["--out", "out"]);
    let page = page(&world, "out");
    assert!(page.contains("Time of each layer") && page.contains("Pictures"));
    assert!(!page.contains("accepted") && !page.contains("rejected"));
}

#[test]
fn mistakes_of_low_pictures_have_no_originals_to_show() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.draw("low", crate::pictures::degraded);
    world.document(&joint, "low", &with(&PAIRS, &["--out", "out"]));
    let page = page(&world, "out");
    assert!(page.contains("One person, rejected") || page.contains("Different people, accepted"));
}
