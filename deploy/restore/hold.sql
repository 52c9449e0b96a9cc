-- After a ledger was restored together with its claims, or without them: hold every message that was under
-- way when the backup was made, until somebody has found out whether it was sent since.  Scheduled messages
-- are left alone unless their time has passed.  For PostgreSQL and SQLite; run it before a gateway starts.
-- The number is the progress of the event "held" in the message's own series: services/gateway/states.py.
UPDATE messages
SET status = 'held',
    reason = 'restored: it may have been sent after the backup was made',
    progress = series * 10000000000000 + 1000000000000 + attempts * 10 + 4,
    due_at = NULL
WHERE due_at IS NOT NULL
  AND (status <> 'scheduled' OR scheduled_at <= CURRENT_TIMESTAMP);
