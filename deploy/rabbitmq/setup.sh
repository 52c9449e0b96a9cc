#!/bin/sh
# Set up RabbitMQ for Pillarbox: one virtual host, one user per service, and no right too many.
#
#   GATEWAY_PASSWORD_FILE=… MAILER_PASSWORD_FILE=… deploy/rabbitmq/setup.sh
#
# Safe to run again: it brings users, passwords and rights to the state described here.
# README.md next to this file explains every right and how to call rabbitmqctl elsewhere.

set -eu

RABBITMQCTL=${RABBITMQCTL:-rabbitmqctl}
VHOST=pillarbox

fail() {
    echo "setup.sh: $1" >&2
    exit 1
}

# The command may hold options ("rabbitmqctl -n name"), so it is split into words on purpose.
# shellcheck disable=SC2086
ctl() {
    $RABBITMQCTL --quiet "$@"
}

# secret NAME: print the value of $NAME, or the first line of the file that $NAME_FILE names.
secret() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -z "$value" ] && [ -n "$file" ]; then
        [ -r "$file" ] || fail "cannot read the file that $1_FILE names"
        IFS= read -r value <"$file" || [ -n "$value" ] || fail "the file that $1_FILE names is empty"
    fi
    [ -n "$value" ] || fail "set $1 or $1_FILE"
    case $(printf %s "$value" | tr '[:upper:]' '[:lower:]') in
    *changeme* | *change-me* | *change_me* | *password* | *placeholder* | *example* | *secret*)
        fail "$1 is a placeholder; make one with: openssl rand -hex 24"
        ;;
    esac
    [ "${#value}" -ge 16 ] || fail "$1 is shorter than 16 characters; make one with: openssl rand -hex 24"
    printf %s "$value"
}

# The password goes through standard input: arguments are visible to everybody on the machine.
user() {
    if printf '%s\n' "$known_users" | grep -qx "$1"; then
        printf '%s\n' "$2" | ctl change_password "$1" >/dev/null
    else
        printf '%s\n' "$2" | ctl add_user "$1" >/dev/null
    fi
    # No tag at all: neither service may use the management API.
    ctl set_user_tags "$1"
}

# rights USER CONFIGURE WRITE READ: regular expressions over names of exchanges and queues.
rights() {
    ctl set_permissions --vhost "$VHOST" "$1" "$2" "$3" "$4"
}

# keys USER EXCHANGE WRITE READ: regular expressions over routing keys and over binding keys.
keys() {
    ctl set_topic_permissions --vhost "$VHOST" "$1" "$2" "$3" "$4"
}

gateway_password=$(secret GATEWAY_PASSWORD)
mailer_password=$(secret MAILER_PASSWORD)
[ "$gateway_password" != "$mailer_password" ] || fail "gateway and mailer need different passwords"

exchanges='pillarbox(\.dead)?'
delayed='celery_delayed_([0-9]|1[0-9]|2[0-7]|delivery)'
lanes='mailer\.(transactional|bulk)'
consumed='mailer\.(transactional|bulk|webhooks)'
nothing='^$'

known_users=$(ctl list_users --no-table-headers | cut -f 1)
ctl add_vhost "$VHOST"

user gateway "$gateway_password"
rights gateway \
    "^($exchanges|gateway\.(events|batches|mailers|alarms|dead))\$" \
    "^($exchanges|gateway\.(events|batches|mailers|alarms|dead))\$" \
    "^($exchanges|gateway\.(events|batches|mailers|alarms))\$"
keys gateway pillarbox "^($consumed|gateway\.(events|batches))\$" '^gateway\.(events|batches|mailers)$'
keys gateway pillarbox.dead "$nothing" '^(gateway\.#|#\.mailer\.#)$'

user mailer "$mailer_password"
rights mailer \
    "^($exchanges|$consumed|mailer\.dead|$delayed)\$" \
    "^($exchanges|$consumed|mailer\.dead|$delayed)\$" \
    "^($exchanges|$consumed|$delayed)\$"
# A retry goes back to its lane; a webhook's next attempt is the gateway's to publish.
keys mailer pillarbox "^($lanes|gateway\.(events|batches|mailers))\$" "^(#\.)?$consumed\$"
keys mailer pillarbox.dead "$nothing" '^(#\.)?mailer\.#$'

echo "RabbitMQ is ready: virtual host $VHOST, users gateway and mailer."
