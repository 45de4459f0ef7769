# Two commands: `make demo` (two minutes, no network, no GPU) and `make test`.
.PHONY: demo test test-cuda test-kernels-sanitized cuda-wheels interop bench clean

# The demo needs no CUDA and waits for none: where no kernel was compiled yet, it builds without. Once `make test-cuda` has compiled
# them both build the same program, so that going from one to the other rebuilds nothing.
NO_CUDA := $(if $(wildcard target/release/build/hallucinet-*/out/*.fatbin),,HALLUCINET_CUDA=off)

# The pinned wheels of a CUDA compiler, where the machine has none; see tools/cuda-wheels.sh.
cuda-wheels:
	sh tools/cuda-wheels.sh

demo:
	$(NO_CUDA) cargo build --release --locked
	rm -rf demo
	./target/release/hallucinet demo --out demo

test:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo test --release --locked

# Every kernel compiled for every architecture as well: registers, spills (target/kernels.txt), then the suites over the stand-in driver.
test-cuda: cuda-wheels
	HALLUCINET_REQUIRE_CUDA=1 cargo test --release --locked --test ops --test cuda --test ptxas

# The instrument under both sanitizers, and every op's cases under AddressSanitizer.
test-kernels-sanitized:
	cargo test --release --locked --test emulator -- --ignored
	HALLUCINET_SANITIZER=asan cargo test --release --locked --test ops every_case_on_the_stand_in_driver

# Files and numbers against onnxruntime, OpenVINO, PyTorch, scikit-learn and scikit-image, which it installs into .interop.
interop:
	sh tests/interop/run.sh

bench:
	cargo bench --locked

clean:
	cargo clean
	rm -rf demo
