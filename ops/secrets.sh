#!/usr/bin/env bash
# Makes the secrets of the stack in ./secrets; what is there already stays as it is.
# The folder is closed to others; the files are readable, for containers run under user ids of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets

keep() { # keep NAME VALUE
  if [ ! -e "secrets/$1" ]; then
    printf '%s' "$2" > "secrets/$1"
    echo "made secrets/$1"
  fi
  chmod 0444 "secrets/$1"
}

keep postgres_password "$(openssl rand -hex 24)"
keep retake_database_url "postgresql://retake:$(cat secrets/postgres_password)@postgres:5432/retake"
keep retake_notify_secret "whsec_$(openssl rand -base64 32)"
keep grafana_password "$(openssl rand -hex 12)"
