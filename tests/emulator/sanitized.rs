//! The same planted kernels under AddressSanitizer and ThreadSanitizer: what they find with file and line, and silence
//! about sound kernels. Two more builds, so they run by `make test-kernels-sanitized` only.

use super::probe_text;

fn assert_silent(mode: &str) {
    for kernel in ["product", "row_softmax", "collectives"] {
        for settings in [["order=forward", "copies=eager"], ["order=random", "copies=late"]] {
            let text = probe_text(mode, kernel, &settings);
            assert!(text.contains("result 0") && !text.contains("Sanitizer"), "{mode} {kernel} {settings:?}: {text}");
        }
    }
}

fn assert_found(mode: &str, kernel: &str, settings: &[&str], words: &[&str]) {
    let text = probe_text(mode, kernel, settings);
    for word in words {
        assert!(text.contains(word), "{mode} {kernel} {settings:?}: no '{word}' in: {text}");
    }
}

#[test]
#[ignore = "builds twice more; run by make test-kernels-sanitized"]
fn address_sanitizer_names_file_and_line() {
    assert_silent("asan");
    assert_found("asan", "writes_past_end", &[], &["AddressSanitizer: SEGV", "bugs.cu:"]);
    assert_found("asan", "writes_past_dynamic_shared", &[], &["AddressSanitizer: SEGV", "bugs.cu:"]);
    assert_found("asan", "writes_past_local_array", &[], &["AddressSanitizer: stack-buffer-overflow", "bugs.cu:"]);
}

#[test]
#[ignore = "builds twice more; run by make test-kernels-sanitized"]
fn thread_sanitizer_finds_races_between_threads_of_a_block() {
    assert_silent("tsan");
    assert_found("tsan", "missing_barrier", &[], &["ThreadSanitizer: data race", "bugs.cu:"]);
    assert_found("tsan", "unordered_sum", &[], &["ThreadSanitizer: data race", "bugs.cu:"]);
    assert_found("tsan", "product_without_barrier", &[], &["ThreadSanitizer: data race", "sound.cu:"]);
    assert_found("tsan", "product_waits_too_little", &["copies=late"], &["ThreadSanitizer: data race", "sound.cu:"]);
}
