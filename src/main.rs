//! The program: everything it does is in the library's `cli`.

fn main() {
    std::process::exit(hallucinet::cli::run(std::env::args_os()));
}
