CREATE SCHEMA IF NOT EXISTS "countersign";
--> statement-breakpoint
CREATE TABLE "countersign"."approvals" (
	"id" uuid PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"live_key" text NOT NULL,
	"requester_issuer" text NOT NULL,
	"requester_type" text NOT NULL,
	"requester_id" text NOT NULL,
	"session_id" text NOT NULL,
	"connection" text NOT NULL,
	"action_name" text NOT NULL,
	"action_digest" text NOT NULL,
	"action" json NOT NULL,
	"reasons" json NOT NULL,
	"approvers" text[] NOT NULL,
	"count" integer NOT NULL,
	"valid_s" integer NOT NULL,
	"operation_id" text NOT NULL,
	"demand_decision_id" text NOT NULL,
	"demand_revision" text NOT NULL,
	"demanded_ms" bigint NOT NULL,
	"expires_ms" bigint NOT NULL,
	"decided_ms" bigint,
	"consumed_decision_id" text,
	"consumed_revision" text,
	"consumed_operation_id" text,
	"consumed_ms" bigint,
	"changed_ms" bigint DEFAULT (extract(epoch from clock_timestamp()) * 1000)::bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."record_alarms" (
	"pep" text NOT NULL,
	"epoch" text NOT NULL,
	"seq" bigint NOT NULL,
	"digest" "bytea" NOT NULL,
	"offered" "bytea" NOT NULL,
	"received_ms" bigint NOT NULL,
	CONSTRAINT "record_alarms_pep_epoch_seq_offered_pk" PRIMARY KEY("pep","epoch","seq","offered")
);
--> statement-breakpoint
CREATE TABLE "countersign"."records" (
	"pep" text NOT NULL,
	"epoch" text NOT NULL,
	"seq" bigint NOT NULL,
	"prev" "bytea" NOT NULL,
	"digest" "bytea" NOT NULL,
	"payload" "bytea" NOT NULL,
	"received_ms" bigint NOT NULL,
	"kind" text NOT NULL,
	"time_ms" bigint NOT NULL,
	"operation_id" text,
	"parent_id" text,
	"session_id" text,
	"session_label" text,
	"connection" text,
	"action" text,
	"effect" text,
	"subject_id" text,
	"issuer" text,
	"decision_id" text,
	"result" text,
	CONSTRAINT "records_pep_epoch_seq_pk" PRIMARY KEY("pep","epoch","seq")
);
--> statement-breakpoint
CREATE TABLE "countersign"."session_counts" (
	"session_id" text NOT NULL,
	"what" text NOT NULL,
	"name" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "session_counts_session_id_what_name_pk" PRIMARY KEY("session_id","what","name")
);
--> statement-breakpoint
CREATE TABLE "countersign"."session_labels" (
	"session_id" text NOT NULL,
	"label" text NOT NULL,
	CONSTRAINT "session_labels_session_id_label_pk" PRIMARY KEY("session_id","label")
);
--> statement-breakpoint
CREATE TABLE "countersign"."sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"subject_id" text NOT NULL,
	"issuer" text NOT NULL,
	"first_ms" bigint NOT NULL,
	"last_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "countersign"."votes" (
	"approval_id" uuid NOT NULL,
	"issuer" text NOT NULL,
	"approver_id" text NOT NULL,
	"approver_type" text NOT NULL,
	"approve" boolean NOT NULL,
	"comment" text,
	"at_ms" bigint NOT NULL,
	CONSTRAINT "votes_approval_id_issuer_approver_id_pk" PRIMARY KEY("approval_id","issuer","approver_id")
);
--> statement-breakpoint
ALTER TABLE "countersign"."votes" ADD CONSTRAINT "votes_approval_id_approvals_id_fk" FOREIGN KEY ("approval_id") REFERENCES "countersign"."approvals"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "approvals_live" ON "countersign"."approvals" USING btree ("live_key") WHERE "countersign"."approvals"."state" in ('pending', 'approved');--> statement-breakpoint
CREATE INDEX "approvals_digest" ON "countersign"."approvals" USING btree ("action_digest");--> statement-breakpoint
CREATE INDEX "approvals_newest" ON "countersign"."approvals" USING btree ("demanded_ms","id");--> statement-breakpoint
CREATE INDEX "approvals_changed" ON "countersign"."approvals" USING btree ("changed_ms");--> statement-breakpoint
CREATE INDEX "records_operation" ON "countersign"."records" USING btree ("operation_id");--> statement-breakpoint
CREATE INDEX "records_session" ON "countersign"."records" USING btree ("session_id","time_ms","pep","epoch","seq") WHERE "countersign"."records"."session_id" is not null;--> statement-breakpoint
CREATE INDEX "session_labels_label" ON "countersign"."session_labels" USING btree ("label");--> statement-breakpoint
CREATE INDEX "sessions_recent" ON "countersign"."sessions" USING btree ("last_ms","id");--> statement-breakpoint
CREATE INDEX "sessions_subject" ON "countersign"."sessions" USING btree ("subject_id");