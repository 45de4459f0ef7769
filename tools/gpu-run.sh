#!/bin/sh
# Tests and measures the kernels on this machine's card, and writes one JSON record. Needs an NVIDIA driver (580 or newer) and this
# folder; no Rust, no CUDA. What is not here (compute-sanitizer, ncu, PyTorch) or refuses to work is recorded and fails nothing.
#
# sh run.sh [RECORD]   by default record.json in this folder
#
# BATCH (256), PRESET (paper), LIMIT (seconds of one part, 600) and PARTS choose what is run: doctor ops steps memcheck racecheck ncu
# bench bench-step bench-ops peer. The exit code is 1 where a test failed, 0 otherwise.
set -u
cd "$(dirname "$0")" || exit 2
record=${1:-record.json}
batch=${BATCH:-256} preset=${PRESET:-paper} limit=${LIMIT:-600}
parts=${PARTS:-doctor ops steps memcheck racecheck ncu bench bench-step bench-ops peer}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xzf bin.tar.gz || exit 2
bin=$work/bin
# Criterion keeps its notes here, not in this folder.
export CRITERION_HOME="$work/criterion" HALLUCINET_TEST_DEVICE=cuda HALLUCINET_BENCH_DEVICE=cuda HALLUCINET_BENCH_BATCH="$batch"

# A text as a JSON string.
quote() {
    tr -d '\000-\010\013-\037' | awk 'BEGIN { printf "\"" }
        { gsub(/\\/, "&&"); gsub(/"/, "\\\""); gsub(/\t/, "\\t"); printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }
        END { printf "\"" }'
}

failed=0
: > "$work/parts"
# Runs one part: its name, whether its failure fails the whole (test) or not (tool), what its output is (text or json), the command.
part() {
    name=$1 kind=$2 form=$3
    shift 3
    case " $parts " in *" $name "*) ;; *) return ;; esac
    echo "$name: $*" >&2
    begun=$(date +%s)
    timeout "$limit" "$@" > "$work/out" 2> "$work/err"
    code=$?
    took=$(($(date +%s) - begun))
    case $kind-$code in
    *-0) outcome=passed ;;
    *-124) outcome=timeout ;;
    tool-*) outcome=refused ;;
    *) outcome=failed ;;
    esac
    if [ "$kind" = test ] && [ $code -ne 0 ]; then failed=1; fi
    {
        printf ',\n  {"part": "%s", "outcome": "%s", "exit": %d, "seconds": %d, "command": ' "$name" "$outcome" $code $took
        printf '%s' "$*" | quote
        if [ "$form" = json ] && [ $code -eq 0 ]; then
            printf ', "result": '
            cat "$work/out"
        elif [ "$form" = lines ]; then
            printf ', "result": ['
            grep '^{.*}$' "$work/out" | sed '$!s/$/,/'
            printf ']'
        else
            printf ', "output": '
            tail -n 400 "$work/out" | quote
        fi
        printf ', "errors": '
        tail -n 40 "$work/err" | quote
        printf '}'
    } >> "$work/parts"
}

# A part whose tool is not here.
absent() {
    case " $parts " in *" $1 "*) ;; *) return ;; esac
    echo "$1: $2 is not here" >&2
    printf ',\n  {"part": "%s", "outcome": "absent", "errors": "%s is not here"}' "$1" "$2" >> "$work/parts"
}

has() { command -v "$1" > /dev/null 2>&1; }

part doctor test json "$bin/hallucinet" doctor --device cuda --json
part ops test text "$bin/test-ops" --skip faults:: --skip every_case_on --test-threads 1
part steps test text "$bin/test-cuda" --test-threads 1 steps:: executor:: plans:: doctor::doctor
if has compute-sanitizer; then
    # One op after the other under the sanitizers, small cases: whole steps would take hours.
    for tool in memcheck racecheck; do
        part $tool tool text compute-sanitizer --tool $tool --error-exitcode 9 "$bin/test-ops" --skip faults:: --skip every_case_on \
            --skip gradient --test-threads 1
    done
else
    absent memcheck compute-sanitizer
    absent racecheck compute-sanitizer
fi
if has ncu; then
    part ncu tool text ncu --clock-control none --launch-count 40 --metrics \
        gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,dram__throughput.avg.pct_of_peak_sustained_elapsed \
        env HALLUCINET_ONE_BY_ONE=1 "$bin/hallucinet" bench --preset "$preset" --batch "$batch" --precision bf16 --device cuda --json
else
    absent ncu ncu
fi
part bench tool json "$bin/hallucinet" bench --preset "$preset" --batch "$batch" --precision bf16 --device cuda --json
part bench-step tool text "$bin/bench-step" --bench "${BENCH_STEP:-paper}"
part bench-ops tool text "$bin/bench-ops" --bench ${BENCH_OPS:-}
if [ -d peer ] && has python3 && python3 -c 'import torch' 2> /dev/null; then
    part peer tool lines python3 peer/torch_train.py --batch "$batch" --budget-s $((limit * 2 / 3)) \
        --variants compiledefault-bf16-graph eager-bf16-graph eager-bf16 eager-fp32
else
    absent peer "PyTorch or its peer"
fi

{
    printf '{"bundle": '
    cat bundle.json
    printf ', "made": "%s", "machine": ' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    { uname -a; grep -m 1 'model name' /proc/cpuinfo; ldd --version 2>&1 | head -n 1; } | quote
    printf ', "nvidia_smi": '
    { nvidia-smi 2>&1 || echo "nvidia-smi is not here"; } | quote
    printf ', "batch": %d, "preset": "%s", "passed": %s, "parts": [' "$batch" "$preset" "$([ $failed -eq 0 ] && echo true || echo false)"
    sed '1s/^,$//' "$work/parts"
    printf '\n]}\n'
} > "$record.part"
mv "$record.part" "$record"
echo "$record" >&2
exit $failed
