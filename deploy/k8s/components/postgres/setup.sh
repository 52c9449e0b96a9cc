# Read by the image's entrypoint when there is no data yet: two databases, and one user for each.
psql --username postgres --set ON_ERROR_STOP=1 \
    --set gateway="$(cat /run/secrets/postgres/gateway)" \
    --set mailer="$(cat /run/secrets/postgres/mailer)" <<'SQL'
CREATE ROLE gateway LOGIN PASSWORD :'gateway';
CREATE ROLE mailer LOGIN PASSWORD :'mailer';
CREATE DATABASE ledger OWNER gateway;
CREATE DATABASE claims OWNER mailer;
REVOKE ALL ON DATABASE ledger, claims, postgres FROM PUBLIC;
SQL
