#!/bin/sh
# Makes the files that compose.yaml mounts as secrets, once, each with a password of its own.
# They are readable inside of containers, whose users are others than yours; the folder is closed to everybody else.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/var/compose}
rights=$root/deploy/k8s/components/rabbitmq/rights.json

if [ -e "$folder" ]; then
    echo "$folder is there already; to begin anew: docker compose down --volumes && rm -r $folder"
    exit 0
fi

# Complete or not at all: a half of it would be taken for all of it the next time.
umask 077
mkdir -p "$(dirname "$folder")"
new=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$new"' EXIT
cd "$new"

password() {
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

for name in postgres_password postgres_gateway_password postgres_mailer_password fake_esp_key grafana_password; do
    password >"$name"
done
gateway=$(password)
mailer=$(password)
printf 'amqp://gateway:%s@rabbitmq:5672/pillarbox' "$gateway" >gateway_broker_url
printf 'amqp://mailer:%s@rabbitmq:5672/pillarbox' "$mailer" >mailer_broker_url
printf 'postgresql://gateway:%s@postgres:5432/ledger' "$(cat postgres_gateway_password)" >ledger_url
printf 'postgresql://mailer:%s@postgres:5432/claims' "$(cat postgres_mailer_password)" >claims_url

# Nobody watches queues over the management API here, so `watcher` gets a password that is written nowhere else.
{
    printf '{"users": ['
    printf '{"name": "gateway", "password": "%s", "tags": []}, ' "$gateway"
    printf '{"name": "mailer", "password": "%s", "tags": []}, ' "$mailer"
    printf '{"name": "watcher", "password": "%s", "tags": []}], ' "$(password)"
    sed '1s/{//' "$rights"
} >rabbitmq_definitions

chmod 444 -- *
mv "$new" "$folder"
trap - EXIT
echo "$folder holds the secrets of compose.yaml."
