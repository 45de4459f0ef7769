//! Ranges for profilers, seen by a stand-in of NVIDIA's library: named by layer and direction, in the order of the plan, one inside the
//! other.

use crate::{BATCH, small, standin};
use hallucinet::graph::{Plan, Program};
use hallucinet::model;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Writes what is pushed and popped into the file that NVTX_LOG names.
const LIBRARY: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static void line(const char* word, const char* name) {
    FILE* log = fopen(getenv("NVTX_LOG"), "a");
    if (log == NULL) abort();
    fprintf(log, "%s %s\n", word, name);
    fclose(log);
}
static int depth = 0;
int nvtxRangePushA(const char* name) { line("push", name); return depth++; }
int nvtxRangePop(void) { line("pop", ""); return --depth; }
"#;

fn plan() -> Plan {
    let (config, model) = small("joint", "fast", "bf16");
    let stage = config.stages().remove(0);
    model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap().0.plan()
}

/// What a child leaves in its log after two runs of a list, the second of which is a replay.
fn two_runs(folder: &Path, driver: &Path) -> String {
    let (source, library) = (folder.join("nvtx.c"), folder.join("libnvToolsExt.so.1"));
    std::fs::write(&source, LIBRARY).unwrap();
    let built = Command::new("gcc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(built.success());
    let mut child = standin::child(driver);
    let path = std::env::join_paths([driver, folder]).unwrap();
    child.env("LD_LIBRARY_PATH", path).env("NVTX_LOG", folder.join("log"));
    child.args(["--exact", "nvtx::ranges_are_named_by_layer_and_nest", "--nocapture", "--test-threads=1"]);
    standin::finish("ranges_are_named_by_layer_and_nest", child);
    std::fs::read_to_string(folder.join("log")).unwrap()
}

#[test]
fn ranges_are_named_by_layer_and_nest() {
    if standin::is_card() {
        return println!("skipped: ranges_are_named_by_layer_and_nest: needs the stand-in driver");
    }
    if standin::is_inside() {
        let program = Program::new(Arc::new(standin::open().unwrap()), plan()).unwrap();
        program.run().unwrap();
        program.run().unwrap();
        return;
    }
    let driver = match standin::library() {
        Ok(driver) => driver,
        Err(why) => return println!("skipped: ranges_are_named_by_layer_and_nest: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let log = two_runs(folder.path(), driver);
    let plan = plan();
    let mut expected = vec!["push list".to_owned()];
    for launch in &plan.launches {
        expected.extend([format!("push {}", launch.label), "pop ".to_owned()]);
    }
    expected.extend(["pop ", "push list", "pop "].map(str::to_owned));
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    for name in ["hallucinator.unit1.conv1", "recognizer.conv1a backward", "softmax_loss", "sgd"] {
        assert!(log.contains(&format!("push {name}\n")), "{name}");
    }
}
