#!/bin/sh
# Makes target/gpu-bundle: everything that a machine with an NVIDIA driver, and without Rust, needs to test and measure the kernels on
# its card. `sh run.sh` there writes one JSON record. The programs are packed: each carries the kernels for every architecture.
#
# tools/gpu-bundle.sh [PEER]   PEER is the folder of the PyTorch peer (torch_train.py and net.py); by default ../shared/bench
set -eu
cd "$(dirname "$0")/.."
peer=${1:-../shared/bench}
bundle=target/gpu-bundle
export HALLUCINET_REQUIRE_CUDA=1

cargo build --release --locked
# The path of the executable of a test or a bench, built now.
built() { # test|bench name
    release=--release
    # A bench is built for release without being told, and cargo refuses to be.
    [ "$1" = test ] || release=
    cargo "$1" $release --locked "--$1" "$2" --no-run --message-format=json |
        sed -n 's/.*"name":"'"$2"'".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}
rm -rf "$bundle" "$bundle.part"
mkdir -p "$bundle.part/bin"
pack() { # from name
    [ -f "$1" ] || { echo "$2 was not built" >&2; exit 1; }
    strip -o "$bundle.part/bin/$2" "$1"
}
pack target/release/hallucinet hallucinet
for name in ops cuda; do
    pack "$(built test "$name")" "test-$name"
done
for name in ops step; do
    pack "$(built bench "$name")" "bench-$name"
done
floor=$(for program in "$bundle.part"/bin/*; do objdump -T "$program"; done | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
commit=$(git rev-parse HEAD 2> /dev/null || echo unknown)
printf '{"commit": "%s", "needs": "%s", "compiler": "%s"}\n' "$commit" "$floor" "$(rustc --version)" > "$bundle.part/bundle.json"
tar -C "$bundle.part" -czf "$bundle.part/bin.tar.gz" bin
rm -rf "$bundle.part/bin"
cp tools/gpu-run.sh "$bundle.part/run.sh"
if [ -f "$peer/torch_train.py" ]; then
    mkdir "$bundle.part/peer"
    cp "$peer"/torch_train.py "$peer"/net.py "$bundle.part/peer/"
else
    echo "no PyTorch peer in $peer: the bundle is made without it" >&2
fi
size=$(du -sk "$bundle.part" | cut -f 1)
[ "$size" -lt 40960 ] || { echo "the bundle takes $size KiB, more than 40 MiB" >&2; exit 1; }
mv "$bundle.part" "$bundle"
echo "$bundle: $size KiB, needs $floor; there: sh run.sh record.json"
