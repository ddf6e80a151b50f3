ALTER TABLE "countersign"."approvals" ADD COLUMN "sealed" "bytea";--> statement-breakpoint
ALTER TABLE "countersign"."approvals" ADD COLUMN "wrapped_key" "bytea";--> statement-breakpoint
ALTER TABLE "countersign"."approvals" ADD COLUMN "commitment" "bytea";--> statement-breakpoint
ALTER TABLE "countersign"."approvals" ADD COLUMN "erased_ms" bigint;--> statement-breakpoint
ALTER TABLE "countersign"."shadow_differences" ADD COLUMN "session_id" text;--> statement-breakpoint
CREATE INDEX "shadow_session" ON "countersign"."shadow_differences" USING btree ("session_id");
--> statement-breakpoint
-- pending → approved | denied | expired; approved → consumed | expired; of one that ended, what was asked for may be
-- erased, and nothing else of it changes then. What was asked for never becomes something else.
CREATE OR REPLACE FUNCTION countersign.approval_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  approving integer;
  erased countersign.approvals;
BEGIN
  IF OLD.state = NEW.state AND OLD.state IN ('denied', 'expired', 'consumed') AND NEW.erased_ms IS NOT NULL THEN
    erased := OLD;
    erased.sealed := NULL;
    erased.wrapped_key := NULL;
    erased.action_digest := '';
    erased.live_key := OLD.id::text;
    erased.erased_ms := NEW.erased_ms;
    IF NEW IS DISTINCT FROM erased THEN
      RAISE EXCEPTION 'what was asked for is erased or left alone' USING ERRCODE = 'check_violation';
    END IF;
    NEW.changed_ms := (extract(epoch from clock_timestamp()) * 1000)::bigint;
    RETURN NEW;
  END IF;
  IF NOT (
    (OLD.state = 'pending' AND NEW.state IN ('approved', 'denied', 'expired'))
    OR (OLD.state = 'approved' AND NEW.state IN ('consumed', 'expired'))
  ) THEN
    RAISE EXCEPTION 'an approval cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  IF (NEW.action_digest, NEW.live_key, NEW.sealed, NEW.wrapped_key, NEW.commitment, NEW.erased_ms)
    IS DISTINCT FROM (OLD.action_digest, OLD.live_key, OLD.sealed, OLD.wrapped_key, OLD.commitment, OLD.erased_ms)
  THEN
    RAISE EXCEPTION 'what was asked for is erased or left alone' USING ERRCODE = 'check_violation';
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
-- Of a vote only its comment can go, when what was asked for is erased.
DROP TRIGGER votes_append_only ON countersign.votes;
--> statement-breakpoint
CREATE TRIGGER votes_stay BEFORE DELETE OR TRUNCATE ON countersign.votes
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE FUNCTION countersign.vote_comment_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.comment IS NOT NULL
    OR (NEW.approval_id, NEW.issuer, NEW.approver_id, NEW.approver_type, NEW.approve, NEW.at_ms)
      IS DISTINCT FROM (OLD.approval_id, OLD.issuer, OLD.approver_id, OLD.approver_type, OLD.approve, OLD.at_ms)
  THEN
    RAISE EXCEPTION 'votes is append-only' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER votes_change BEFORE UPDATE ON countersign.votes
  FOR EACH ROW EXECUTE FUNCTION countersign.vote_comment_goes();
