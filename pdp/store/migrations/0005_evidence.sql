CREATE TABLE "countersign"."bundle_archives" (
	"digest" text PRIMARY KEY NOT NULL,
	"archive" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."checkpoints" (
	"size" bigint PRIMARY KEY NOT NULL,
	"root" "bytea" NOT NULL,
	"note" text NOT NULL,
	"at_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."cosignatures" (
	"size" bigint NOT NULL,
	"line" text NOT NULL,
	CONSTRAINT "cosignatures_size_line_pk" PRIMARY KEY("size","line")
);
--> statement-breakpoint
CREATE TABLE "countersign"."leaves" (
	"idx" bigint PRIMARY KEY NOT NULL,
	"leaf" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"kind" text NOT NULL,
	"time_ms" bigint NOT NULL,
	"logged_ms" bigint NOT NULL,
	"pep" text,
	"epoch" text,
	"seq" bigint,
	"digest" "bytea",
	"session_id" text,
	"operation_id" text,
	"decision_id" text
);
--> statement-breakpoint
CREATE TABLE "countersign"."legal_holds" (
	"id" uuid PRIMARY KEY NOT NULL,
	"session_id" text,
	"connection" text,
	"at_ms" bigint NOT NULL,
	"released_ms" bigint
);
--> statement-breakpoint
CREATE TABLE "countersign"."log_head" (
	"id" integer PRIMARY KEY NOT NULL,
	"size" bigint NOT NULL,
	"range" "bytea" NOT NULL,
	"logged_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."log_nodes" (
	"level" integer NOT NULL,
	"n" bigint NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "log_nodes_level_n_pk" PRIMARY KEY("level","n")
);
--> statement-breakpoint
CREATE TABLE "countersign"."policy_revisions" (
	"revision" text PRIMARY KEY NOT NULL,
	"config_digest" text NOT NULL,
	"bundles" json NOT NULL,
	"first_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."sealed_blocks" (
	"key_id" text NOT NULL,
	"block_id" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"hash" "bytea" GENERATED ALWAYS AS (sha256(sealed)) STORED,
	CONSTRAINT "sealed_blocks_key_id_block_id_pk" PRIMARY KEY("key_id","block_id")
);
--> statement-breakpoint
CREATE TABLE "countersign"."sealed_records" (
	"pep" text NOT NULL,
	"epoch" text NOT NULL,
	"seq" bigint NOT NULL,
	"key_id" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	CONSTRAINT "sealed_records_pep_epoch_seq_pk" PRIMARY KEY("pep","epoch","seq")
);
--> statement-breakpoint
CREATE TABLE "countersign"."session_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"session_id" text NOT NULL,
	"connection" text NOT NULL,
	"wrapped" "bytea",
	"created_ms" bigint NOT NULL,
	"erased_ms" bigint
);
--> statement-breakpoint
CREATE TABLE "countersign"."sinks" (
	"name" text PRIMARY KEY NOT NULL,
	"next" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "checkpoints_at" ON "countersign"."checkpoints" USING btree ("at_ms");--> statement-breakpoint
CREATE UNIQUE INDEX "leaves_frame" ON "countersign"."leaves" USING btree ("pep","epoch","seq") WHERE "countersign"."leaves"."pep" is not null;--> statement-breakpoint
CREATE INDEX "leaves_session" ON "countersign"."leaves" USING btree ("session_id","idx") WHERE "countersign"."leaves"."session_id" is not null;--> statement-breakpoint
CREATE INDEX "leaves_operation" ON "countersign"."leaves" USING btree ("operation_id","idx") WHERE "countersign"."leaves"."operation_id" is not null;--> statement-breakpoint
CREATE INDEX "leaves_decision" ON "countersign"."leaves" USING btree ("decision_id") WHERE "countersign"."leaves"."decision_id" is not null;--> statement-breakpoint
CREATE INDEX "leaves_few" ON "countersign"."leaves" USING btree ("kind","idx") WHERE "countersign"."leaves"."kind" in ('approval', 'policy', 'key', 'admin');--> statement-breakpoint
CREATE INDEX "legal_holds_session" ON "countersign"."legal_holds" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "sealed_blocks_hash" ON "countersign"."sealed_blocks" USING btree ("key_id","hash");--> statement-breakpoint
CREATE INDEX "sealed_records_key" ON "countersign"."sealed_records" USING btree ("key_id");--> statement-breakpoint
CREATE INDEX "session_keys_session" ON "countersign"."session_keys" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "session_keys_age" ON "countersign"."session_keys" USING btree ("connection","created_ms");--> statement-breakpoint
-- What was asked for before it was sealed is kept aside, and nothing of it may be used any more.
CREATE TABLE "countersign"."approvals_before_evidence" AS SELECT "id", "action", "reasons" FROM "countersign"."approvals";--> statement-breakpoint
UPDATE "countersign"."approvals" SET "state" = 'expired' WHERE "state" IN ('pending', 'approved');--> statement-breakpoint
ALTER TABLE "countersign"."approvals" DROP COLUMN "action";--> statement-breakpoint
ALTER TABLE "countersign"."approvals" DROP COLUMN "reasons";--> statement-breakpoint
-- What the tables hold true by themselves, whoever writes. Rights come on top: see roles.ts.
INSERT INTO countersign.log_head (id, size, range, logged_ms) VALUES (1, 0, '', 0);
--> statement-breakpoint
ALTER TABLE countersign.log_head ADD CONSTRAINT log_head_one CHECK (id = 1 AND size >= 0 AND octet_length(range) % 32 = 0);
--> statement-breakpoint
ALTER TABLE countersign.leaves ADD CONSTRAINT leaves_numbered CHECK (idx >= 0 AND octet_length(hash) = 32);
--> statement-breakpoint
-- Leaves fit a page, and are not compressed: an append is then one plain write.
ALTER TABLE countersign.leaves SET (toast_tuple_target = 8160);
--> statement-breakpoint
ALTER TABLE countersign.leaves ALTER COLUMN leaf SET STORAGE EXTERNAL;
--> statement-breakpoint
-- Sealed bytes do not compress.
ALTER TABLE countersign.sealed_records SET (toast_tuple_target = 8160);
--> statement-breakpoint
ALTER TABLE countersign.sealed_records ALTER COLUMN sealed SET STORAGE EXTERNAL;
--> statement-breakpoint
ALTER TABLE countersign.sealed_blocks ALTER COLUMN sealed SET STORAGE EXTERNAL;
--> statement-breakpoint
ALTER TABLE countersign.legal_holds ADD CONSTRAINT legal_holds_one CHECK ((session_id IS NULL) <> (connection IS NULL));
--> statement-breakpoint
CREATE TRIGGER leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.leaves
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER log_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.log_nodes
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER cosignatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.cosignatures
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE TRIGGER log_head_stays BEFORE DELETE OR TRUNCATE ON countersign.log_head
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
--> statement-breakpoint
CREATE FUNCTION countersign.log_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.size < OLD.size OR NEW.logged_ms < OLD.logged_ms THEN
    RAISE EXCEPTION 'a log only grows' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER log_head_grows BEFORE UPDATE ON countersign.log_head
  FOR EACH ROW EXECUTE FUNCTION countersign.log_grows();
--> statement-breakpoint
-- A key is only ever erased. One that comes again does not revive what was erased.
CREATE FUNCTION countersign.key_is_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.wrapped IS NOT NULL THEN
    RAISE EXCEPTION 'a key is erased or left alone' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER session_keys_erase BEFORE UPDATE ON countersign.session_keys
  FOR EACH ROW EXECUTE FUNCTION countersign.key_is_erased();
--> statement-breakpoint
CREATE TRIGGER session_keys_stay BEFORE DELETE OR TRUNCATE ON countersign.session_keys
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
