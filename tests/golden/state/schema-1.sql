BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'provisioner','first','2026-11-24 13:49:48.418795+00:00');
CREATE TABLE "deployments" (
   "id" TEXT PRIMARY KEY,
   "host" TEXT,
   "mac" TEXT,
   "image" TEXT,
   "stage" TEXT,
   "stage_since" REAL,
   "deadline" REAL,
   "created" REAL,
   "expires" REAL,
   "attempt" INTEGER,
   "armed_by" TEXT,
   "serial" TEXT,
   "erase" INTEGER,
   "stop_after" TEXT,
   "nonce" TEXT,
   "token_hash" TEXT,
   "phone_hash" TEXT,
   "agent_boot_id" TEXT,
   "last_sign" REAL,
   "sign" TEXT,
   "progress" TEXT,
   "power_on" REAL,
   "reboot" INTEGER,
   "disk" TEXT,
   "address" TEXT,
   "host_keys" TEXT,
   "code" INTEGER,
   "reason" TEXT,
   "hint" TEXT,
   "verdict" TEXT
);
INSERT INTO "deployments" VALUES('d-DD4X407Y0Q','vc-1','52:54:00:00:00:01','vault-os@1','queued',1800000000.0,1800014400.0,1800000000.0,1800014400.0,0,'ann','',1,'','','','','',1800000000.0,'','{}',0.0,0,'{}','','[]',0,'','','{}');
CREATE TABLE "events" (
   "id" INTEGER PRIMARY KEY,
   "time" REAL,
   "host" TEXT,
   "deployment" TEXT,
   "attempt" INTEGER,
   "kind" TEXT,
   "source" TEXT,
   "data" TEXT
);
INSERT INTO "events" VALUES(1,1800000000.0,'vc-1','d-DD4X407Y0Q',0,'order.armed','ann','{"by": "ann", "image": "vault-os@1", "mac": "52:54:00:00:00:01", "serial": "", "expires": 1800014400.0}');
CREATE TABLE "hosts" (
   "name" TEXT PRIMARY KEY,
   "body" TEXT,
   "facts" TEXT,
   "facts_at" REAL
);
INSERT INTO "hosts" VALUES('vc-1','{"name":"vc-1","macs":["52:54:00:00:00:01"],"profile":"cube","bmc":{"driver":"manual","address":null,"port":623,"mac":null,"secret":""},"serial":"","uuid":"","rack":"","disk":null,"locked":false}',NULL,NULL);
CREATE TABLE "images" (
   "id" TEXT PRIMARY KEY,
   "body" TEXT
);
INSERT INTO "images" VALUES('vault-os@1','{"name":"vault-os","version":"1","raw_size":1,"raw_sha256":"0000000000000000000000000000000000000000000000000000000000000000","pack_size":1,"signed_by":"release","added":1.0}');
CREATE TABLE "leases" (
   "mac" TEXT PRIMARY KEY,
   "address" TEXT,
   "expires" REAL,
   "bound" INTEGER
);
CREATE TABLE "macs" (
   "mac" TEXT PRIMARY KEY,
   "host" TEXT,
   "address" TEXT,
   "role" TEXT
);
INSERT INTO "macs" VALUES('52:54:00:00:00:01','vc-1','10.77.0.64','host');
CREATE TABLE "profiles" (
   "name" TEXT PRIMARY KEY,
   "body" TEXT
);
INSERT INTO "profiles" VALUES('cube','{"name":"cube","disks":[{"serial":"","wwn":"","model":"","name":"","by_path":"","min_size":0,"max_size":0,"rotational":null}],"nics":[],"gpus":[],"memory_min":0,"deadlines":{},"seal":"full","method":"image","image":"vault-os"}');
CREATE TABLE "requests" (
   "id" INTEGER PRIMARY KEY,
   "created" REAL,
   "host" TEXT,
   "action" TEXT,
   "argument" TEXT,
   "state" TEXT,
   "result" TEXT
);
CREATE TABLE "service" (
   "key" TEXT PRIMARY KEY,
   "value" TEXT
);
CREATE TABLE "sightings" (
   "mac" TEXT PRIMARY KEY,
   "first_seen" REAL,
   "last_seen" REAL,
   "count" INTEGER,
   "address" TEXT,
   "data" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX "idx_macs_address"
    ON "macs" ("address");
CREATE INDEX "idx_deployments_host_stage"
    ON "deployments" ("host", "stage");
CREATE INDEX "idx_events_deployment"
    ON "events" ("deployment");
CREATE UNIQUE INDEX one_under_way ON deployments(host) WHERE stage NOT IN ('cancelled', 'failed', 'ready', 'rejected');
COMMIT;
PRAGMA user_version=1;
