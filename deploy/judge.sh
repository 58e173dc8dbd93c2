#!/usr/bin/env bash
# Judges the labelled series that are there, writes the table of deploy/backtest.md and says how
# fast. The series are others' and stay where they are: deploy/judge.sh [FOLDER OF SETS]
set -euo pipefail
cd "$(dirname "$0")/.."

data="${1:-../shared/data}"
found=() missing=()
for set in nab wsd-kpi donut-kpi; do
  if [[ -d "$data/$set" ]]; then found+=("$data/$set"); else missing+=("$set"); fi
done

if ((${#missing[@]})); then
  echo "MISSING in $data: ${missing[*]}" >&2
  echo "The table would not be whole, so it is left as it is: make judge DATA=FOLDER" >&2
  if ((${#found[@]})); then .venv/bin/fenghuo backtest "${found[@]}"; fi
  exit 1
fi
mkdir -p build
.venv/bin/fenghuo backtest "${found[@]}" --table deploy/backtest.md --html build/backtest.html
echo "deploy/backtest.md is written; pictures of the worst series: build/backtest.html"
