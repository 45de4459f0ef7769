# Two commands: `make demo` (two minutes, no network, no GPU) and `make test`.
.PHONY: demo test bench clean

demo:
	cargo build --release --locked
	rm -rf demo
	./target/release/hallucinet demo --out demo

test:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	cargo test --release --locked

bench:
	cargo bench --locked

clean:
	cargo clean
	rm -rf demo
