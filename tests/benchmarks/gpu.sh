#!/usr/bin/env bash
# Everything that is to be measured on a GPU, in pieces that each end within ten minutes.
#
#   bash tests/benchmarks/gpu.sh FOLDER [PIECE...]
#
# Pieces that are done are not done again: call it until it says that all are. FOLDER gets
# figures.jsonl (a line a figure, with its bar), pieces.tsv, a log of each piece and
# summary.md. Variables:
#   PYTHON           interpreter with torch (python3)
#   WHEELS           folder of wheels (no space in its name) for missing packages, without a network
#   DEVICE           cuda (cuda); cpu with REHEARSE=1 tries the script itself on small figures
#   SECONDS_IN_ALL   no piece begins that could end later than this (540)
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?a folder for the figures}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
python=${PYTHON:-python3} device=${DEVICE:-cuda} limit=${SECONDS_IN_ALL:-540}
export PYTHONPATH=$PWD GLITCHVAE_FIGURES=$out/figures.jsonl PYTHONUNBUFFERED=1
begin=$SECONDS
touch "$out/pieces.tsv" "$out/figures.jsonl"

if ! "$python" -c 'import click, duckdb, gwpy, h5py, igwn_segments, pyarrow, rich_click, sklearn' 2>/dev/null; then
    # torch is that of the machine: one built for its GPU, which no wheel here is.
    [ -x "$out/env/bin/python" ] || "$python" -m venv --system-site-packages "$out/env" || exit 1
    python=$out/env/bin/python
    sed '/^\(torch\|nvidia\|triton\)/d' constraints.txt >"$out/constraints.txt"
    [ -z "${WHEELS:-}" ] || export PIP_NO_INDEX=1 PIP_FIND_LINKS=$WHEELS
    "$python" -m pip install --quiet --disable-pip-version-check \
        -c "$out/constraints.txt" hatchling hatch-vcs pytest pytest-timeout pytest-xdist hypothesis \
        >"$out/install.log" 2>&1 || { cat "$out/install.log"; exit 1; }
    "$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation \
        -c "$out/constraints.txt" . >>"$out/install.log" 2>&1 || { cat "$out/install.log"; exit 1; }
fi

# A piece: its name, the most seconds it may take, and its command for the GPU and for a rehearsal.
small=${REHEARSE:-}
wanted=" $* "
missing=0
piece() {
    local name=$1 most=$2 full=$3 tiny=$4 command state start
    [ $# -eq 4 ] || { echo "piece $name: expected four words"; exit 2; }
    [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || return 0
    if grep -q "^$name	done" "$out/pieces.tsv"; then
        return 0
    fi
    if [ $((SECONDS - begin + most)) -gt "$limit" ] && [ $((SECONDS - begin)) -gt 0 ]; then
        echo "$name: not begun, $most s are not left; call the script again"
        missing=1
        return 0
    fi
    command=$full
    [ -n "$small" ] && command=$tiny
    grep -v "\"piece\": \"$name\"" "$out/figures.jsonl" >"$out/figures.new"
    mv "$out/figures.new" "$out/figures.jsonl"
    grep -v "^$name	" "$out/pieces.tsv" >"$out/pieces.new"
    mv "$out/pieces.new" "$out/pieces.tsv"
    echo "== $name"
    start=$SECONDS
    state=done
    # shellcheck disable=SC2086  # a command is several words
    GLITCHVAE_PIECE=$name timeout "$most" "$python" $command >"$out/$name.log" 2>&1 || state="failed ($?)"
    grep '^= ' "$out/$name.log"
    [ "$state" = done ] || { tail -n 15 "$out/$name.log"; missing=1; }
    printf '%s\t%s\t%s\n' "$name" "$state" $((SECONDS - start)) >>"$out/pieces.tsv"
}

b=tests/benchmarks
d="--device $device"
pytest="-m pytest -q -p no:cacheprovider tests/test_cuda.py"
piece tests 500 "$pytest -m gpu" "$pytest --collect-only -m gpu"
piece parity 120 "$b/bench_parity.py $d --events 64" "$b/bench_parity.py $d --events 2 --setting 0"
piece qtransform 240 "$b/bench_qtransform.py $d --batch 64 256 1024 --medians --kernels --setting 0" \
    "$b/bench_qtransform.py $d --batch 2 --rounds 1 --medians --kernels --setting 0"
piece qtransform-long 240 "$b/bench_qtransform.py $d --batch 16 64 --medians --kernels --setting 1" \
    "$b/bench_qtransform.py $d --batch 1 --rounds 1 --setting 0"
piece training 300 "$b/bench_training.py $d --only single --steps 400 ${PYTHAE:+--pythae $PYTHAE}" \
    "$b/bench_training.py $d --only single --steps 2 --rounds 1"
piece ensemble 500 "$b/bench_training.py $d --only ensemble --steps 200" \
    "$b/bench_training.py $d --only ensemble --steps 2 --members 2"
piece encoding 120 "$b/bench_encoding.py $d --events 256 --times 16 --batch 64 256 1024" \
    "$b/bench_encoding.py $d --events 8"
piece attacks 240 "$b/bench_attacks.py $d" \
    "$b/bench_attacks.py $d --steps 3 --pairs 1 --alone 1 --every 25 --evaluations 5"
piece metrics 240 "$b/bench_metrics.py $d" "$b/bench_metrics.py $d --points 15000 --sampled"
piece simulation 300 "$b/bench_simulation.py $d --events 8000" "$b/bench_simulation.py $d --events 8"
piece embed 400 "$b/bench_embed.py $d --segments 1" "$b/bench_embed.py $d --segments 1 --imaging light"
piece loading 120 "$b/bench_loading.py $d" "$b/bench_loading.py $d --events 64 --batch 16 --rounds 1"
piece total-correlation 120 "$b/bench_total_correlation.py $d" \
    "$b/bench_total_correlation.py $d --batch 128 --rounds 1"

"$python" "$b/figures.py" "$out" >/dev/null || exit 1
echo "$out/summary.md"
[ "$missing" = 0 ] && echo "all pieces are done"
exit "$missing"
