#!/usr/bin/env bash
# Installs what the integration tests can use on this machine. Never fails: what is missing is
# skipped, loudly.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

KAFKA=4.1.0
LIBS=.parts/kafka/libs
PATH="$PATH:/usr/sbin:/usr/local/sbin"
# Debian package : a command that shows it is there (a font has none)
PACKAGES=(
  clickhouse-server:clickhouse-server
  prometheus:promtool
  prometheus-alertmanager:amtool
  chromium-headless-shell:chromium-headless-shell
  fonts-wqy-microhei:
)
LOG=.parts/parts.log
skipped=0

skip() { echo "SKIPPED: $1: $2"; skipped=$((skipped + 1)); }
has_command() { command -v "$1" >/dev/null; }

has_package() { # package:command
  local name="${1%%:*}" command="${1#*:}"
  [ -n "$command" ] && has_command "$command" && return
  case "$name" in
    chromium-*) has_command chromium || has_command google-chrome ;;
    fonts-*) has_command fc-list && fc-list :lang=zh 2>/dev/null | grep -q . ;;
    *) false ;;
  esac
}

kafka() {
  [ -f "$LIBS/kafka_2.13-$KAFKA.jar" ] && has_command java && return
  has_command java || { skip kafka "no java (apt-get install openjdk-17-jre-headless)"; return; }
  has_command mvn || { skip kafka "no mvn to fetch the jars (apt-get install maven)"; return; }
  echo "fetching the jars of Kafka $KAFKA"
  rm -rf "$LIBS" "$LIBS.new"
  # Into a folder aside first: a broken download never looks like a whole one.
  timeout 600 mvn --batch-mode --quiet --file deploy/kafka/pom.xml dependency:copy-dependencies \
    -DoutputDirectory="$PWD/$LIBS.new" >> "$LOG" 2>&1 && mv "$LIBS.new" "$LIBS" ||
    skip kafka "maven could not fetch the jars, see $LOG"
}

apt() {
  DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq -y -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120 "$@" < /dev/null >> "$LOG" 2>&1
}

rest() { # tests start servers of their own: the one that a package starts must not run
  for unit in "$@"; do
    if has_command systemctl; then systemctl disable --quiet "$unit" >> "$LOG" 2>&1; fi
    if [ -d /run/systemd/system ]; then
      systemctl stop "$unit" >> "$LOG" 2>&1
    elif [ -x "/etc/init.d/$unit" ]; then
      service "$unit" stop >> "$LOG" 2>&1
    fi
  done
}

debian() {
  local missing=() entry
  for entry in "${PACKAGES[@]}"; do has_package "$entry" || missing+=("${entry%%:*}"); done
  [ ${#missing[@]} = 0 ] && return
  if has_command apt-get && [ "$(id -u)" = 0 ]; then
    echo "installing ${missing[*]}"
    apt update
    # One package that does not exist here must not take the others with it.
    apt install --no-install-recommends "${missing[@]}" ||
      for entry in "${missing[@]}"; do apt install --no-install-recommends "$entry"; done
    rest "${missing[@]}"
    why="apt-get could not install it, see $LOG"
  else
    why="not installed, and this is not root on Debian (apt-get install it)"
  fi
  for entry in "${PACKAGES[@]}"; do has_package "$entry" || skip "${entry%%:*}" "$why"; done
}

mkdir -p .parts/kafka
: > "$LOG"
kafka
debian
all=$((${#PACKAGES[@]} + 1))
echo "parts: $((all - skipped)) of $all ready for the tests, $skipped skipped"
