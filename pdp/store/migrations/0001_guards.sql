-- What the tables hold true by themselves, whoever writes. Rights come on top: see roles.ts.

ALTER TABLE countersign.approvals ADD CONSTRAINT approvals_state
  CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'consumed'));
--> statement-breakpoint
ALTER TABLE countersign.approvals ADD CONSTRAINT approvals_count CHECK (count > 0);
--> statement-breakpoint
ALTER TABLE countersign.approvals ADD CONSTRAINT approvals_consumed CHECK (
  (state = 'consumed') = (consumed_ms IS NOT NULL)
  AND (state = 'consumed') = (consumed_decision_id IS NOT NULL)
);
--> statement-breakpoint
ALTER TABLE countersign.records ADD CONSTRAINT records_digests
  CHECK (seq >= 0 AND octet_length(prev) = 32 AND octet_length(digest) = 32);
--> statement-breakpoint
-- Payloads stay in the row when they fit a page, and are not compressed: an append is then one plain write.
ALTER TABLE countersign.records SET (toast_tuple_target = 8160);
--> statement-breakpoint
ALTER TABLE countersign.records ALTER COLUMN payload SET STORAGE EXTERNAL;
--> statement-breakpoint
CREATE FUNCTION countersign.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
--> statement-breakpoint
CREATE TRIGGER records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.records
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER record_alarms_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.record_alarms
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER votes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.votes
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE FUNCTION countersign.approval_opens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> 'pending' THEN
    RAISE EXCEPTION 'an approval begins pending' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER approvals_open BEFORE INSERT ON countersign.approvals
  FOR EACH ROW EXECUTE FUNCTION countersign.approval_opens();
--> statement-breakpoint
-- pending → approved | denied | expired; approved → consumed | expired; nothing leaves the other states.
CREATE FUNCTION countersign.approval_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  approving integer;
BEGIN
  IF NOT (
    (OLD.state = 'pending' AND NEW.state IN ('approved', 'denied', 'expired'))
    OR (OLD.state = 'approved' AND NEW.state IN ('consumed', 'expired'))
  ) THEN
    RAISE EXCEPTION 'an approval cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state = 'approved' THEN
    SELECT count(*) INTO approving FROM countersign.votes WHERE approval_id = NEW.id AND approve;
    IF approving < NEW.count THEN
      RAISE EXCEPTION '% of % people approved', approving, NEW.count USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  NEW.changed_ms := (extract(epoch from clock_timestamp()) * 1000)::bigint;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER approvals_move BEFORE UPDATE ON countersign.approvals
  FOR EACH ROW EXECUTE FUNCTION countersign.approval_moves();
--> statement-breakpoint
CREATE FUNCTION countersign.vote_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM countersign.approvals
    WHERE id = NEW.approval_id AND state = 'pending'
      AND (requester_issuer, requester_id) IS DISTINCT FROM (NEW.issuer, NEW.approver_id);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'nobody may vote on this approval, or not this person' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER votes_count BEFORE INSERT ON countersign.votes
  FOR EACH ROW EXECUTE FUNCTION countersign.vote_counts();
--> statement-breakpoint
CREATE FUNCTION countersign.tell_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('countersign_approvals', NEW.id::text);
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER approvals_tell AFTER INSERT OR UPDATE ON countersign.approvals
  FOR EACH ROW EXECUTE FUNCTION countersign.tell_approval();
