# Two commands: `make demo` (two minutes, no network, no GPU, no CUDA) and `make test` (which brings an nvcc where there is none).
.PHONY: demo test test-kernels-sanitized cuda-wheels gpu-bundle interop bench clean

# The demo needs no CUDA and waits for none: where no kernel was compiled yet, it builds without. Once `make test` has compiled
# them both build the same program, so that going from one to the other rebuilds nothing.
NO_CUDA := $(if $(wildcard target/release/build/hallucinet-*/out/*.fatbin),,HALLUCINET_CUDA=off)

# The pinned wheels of a CUDA compiler, where the machine has none; without network it says so and goes on. See tools/cuda-wheels.sh.
cuda-wheels:
	sh tools/cuda-wheels.sh

demo:
	$(NO_CUDA) cargo build --release --locked
	rm -rf demo
	./target/release/hallucinet demo --out demo

# Compiles every kernel for every architecture on the way; registers and spills of each are in target/kernels.txt afterwards.
test: cuda-wheels
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo test --release --locked

# The instrument under both sanitizers, then the ops' cases: all of them under AddressSanitizer, in all orders of threads; the small ones
# (every kernel has some) under ThreadSanitizer, which sees a race in any order, in two of them.
test-kernels-sanitized:
	cargo test --release --locked --test emulator -- --ignored
	HALLUCINET_SANITIZER=asan cargo test --release --locked --test ops every_case_on_the_stand_in_driver
	HALLUCINET_SANITIZER=tsan cargo test --release --locked --test ops every_case_on_the_stand_in_driver

# A folder for a machine with a card and no Rust: `sh run.sh` there tests, measures and writes one JSON record (see benches/results).
gpu-bundle: cuda-wheels
	sh tools/gpu-bundle.sh

# Files and numbers against onnxruntime, OpenVINO, PyTorch, scikit-learn and scikit-image, which it installs into .interop.
interop:
	sh tests/interop/run.sh

bench:
	cargo bench --locked

clean:
	cargo clean
	rm -rf demo
