CREATE TABLE "countersign"."session_taints" (
	"issuer" text NOT NULL,
	"subject_type" text NOT NULL,
	"subject_id" text NOT NULL,
	"session_id" text NOT NULL,
	"taint" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"at_ms" bigint NOT NULL,
	CONSTRAINT "session_taints_session_id_issuer_subject_type_subject_id_taint_pk" PRIMARY KEY("session_id","issuer","subject_type","subject_id","taint")
);

--> statement-breakpoint
CREATE TRIGGER session_taints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON countersign.session_taints
  FOR EACH STATEMENT EXECUTE FUNCTION countersign.refuse_change();
