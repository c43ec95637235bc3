BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'provisioner','first','2026-11-28 08:26:54.224117+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'provisioner','second','2026-11-28 08:26:54.224960+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'provisioner','third','2026-11-28 08:26:54.225461+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'provisioner','fourth','2026-11-28 08:26:54.226173+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'provisioner','fifth','2026-11-28 08:26:54.226854+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'provisioner','sixth','2026-11-28 08:26:54.227387+00:00');
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
, "run" TEXT NOT NULL DEFAULT '', "iso" TEXT NOT NULL DEFAULT '', "write_mode" TEXT NOT NULL DEFAULT 'delta', "erase_foreign" INTEGER NOT NULL DEFAULT 0);
INSERT INTO "deployments" VALUES('d-DC590MAV0C','vault-1','52:54:00:77:01:01','rehearsal-os@1.0','ready',1.79585459181097769742e+09,0.0,1.79585441743840765953e+09,1.79586881743840765957e+09,1,'root','LAB0001',1,'','','','','c3713bb7-9594-4c41-8560-2f53bd03ccaf',1.79585459181097769742e+09,'seal.done','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 16, "phase": "finishing", "done": 1, "total": 1, "rate": 0.5, "note": "", "disk": "vda"}',1.79585441846275305753e+09,1,'{"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK1", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "holds rehearsal-os 1.0", "foreign": "", "owner": ""}','10.77.0.64','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICgePsxKC2toLhEpLZqRyH+v86lbj44TL5JCc23Prw0t root@vault-1"]',0,'','','{"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "vda", "serial": "LABDISK1"}], "memory": 1000820736, "macs": ["52:54:00:77:01:01"], "pci": {"1234:1111": 1, "1234:11e8": 1, "1af4:1000": 1, "1af4:1001": 1, "1af4:1005": 1, "8086:2918": 1, "8086:2922": 1, "8086:2930": 1, "8086:29c0": 1}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "kernel": "6.1.0-56-amd64", "cloud_init": "done"}}','r-DC590MB3A9','','delta',0);
INSERT INTO "deployments" VALUES('d-DC590M874B','vault-2','52:54:00:77:01:02','rehearsal-os@1.0','ready',1.79585459338321375847e+09,0.0,1.79585441743947625157e+09,1.79586881743947625158e+09,1,'root','LAB0002',1,'','','','','56d1a1ab-8295-4878-a4fc-2fc4980d7b00',1.79585459338321375847e+09,'seal.done','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 15, "phase": "finishing", "done": 0, "total": 1, "rate": 0.0, "note": "", "disk": "vda"}',1.79585442055870866777e+09,1,'{"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK2", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "holds rehearsal-os 1.0", "foreign": "", "owner": ""}','10.77.0.65','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq+sEH5qNoXmmHqKECBxlimNrkM1GXl7RIvit4PR0Aj root@vault-2"]',0,'','','{"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "vda", "serial": "LABDISK2"}], "memory": 1000820736, "macs": ["52:54:00:77:01:02"], "pci": {"1234:1111": 1, "1234:11e8": 1, "1af4:1000": 1, "1af4:1001": 1, "1af4:1005": 1, "8086:2918": 1, "8086:2922": 1, "8086:2930": 1, "8086:29c0": 1}, "machine_id": "4253b911e4e65e04977149a6c35bd916", "kernel": "6.1.0-56-amd64", "cloud_init": "done"}}','r-DC590MB3A9','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5AC93W3R','vc-queued','52:54:00:77:02:00','rehearsal-os@1.0','queued',1795860004.5,1795874404.5,1795860004.5,1795874404.5,0,'ann','CUBE0000',1,'','','','','',1795860004.5,'','{}',0.0,0,'{}','','[]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5AC9K9P6','vc-powering','52:54:00:77:02:01','rehearsal-os@1.0','powering',1795860007.5,1795861207.5,1795860006.0,1795874406.0,1,'ann','CUBE0001',1,'','invented-nonce-vc-powering','','','',1795860010.5,'power.on','{}',1795860009.0,0,'{}','','[]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACB19A3','vc-netbooting','52:54:00:77:02:02','rehearsal-os@1.0','netbooting',1795860018.0,1795860918.0,1795860012.0,1795874412.0,1,'ann','CUBE0002',1,'','invented-nonce-vc-netbooting','','','',1795860019.5,'script.served','{}',1795860015.0,0,'{}','','[]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACD9AG9','vc-writing','52:54:00:77:02:03','rehearsal-os@1.0','writing',1795860030.0,1795867230.0,1795860021.0,1795874421.0,1,'ann','CUBE0003',1,'','invented-nonce-vc-writing','6de6d6be44dc39a413290b6f36ecdc8e0c2a3dda0484daafbbc7fa3d9c8a0df0','6930e6da8071562a62cf83c5dadc379fa20af2357fe1bdb8305d070e0763e8f9','b-1',1795860031.5,'agent.progress','{"deployment": "d-DC5ACD9AG9", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860024.0,0,'{}','','[]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACGBDA4','vc-restarting','52:54:00:77:02:04','rehearsal-os@1.0','restarting',1795860045.0,1795861845.0,1795860033.0,1795874433.0,1,'ann','CUBE0004',1,'','invented-nonce-vc-restarting','881866f7afa296fcd192aaaa7f502dedab68b7725ca082eef0159b697862031f','0525147ae6cc25a0d36c52c49c87887ac05b52f8151aa6a3607e3ff8aa18a8cb','b-1',1795860048.0,'agent.rebooting','{"deployment": "d-DC5ACGBDA4", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860036.0,1,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','','[]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACMF4J5','vc-verifying','52:54:00:77:02:05','rehearsal-os@1.0','verifying',1795860066.0,1795861866.0,1795860049.5,1795874449.5,1,'ann','CUBE0005',1,'','','','','b-1',1795860069.0,'verify.task','{"deployment": "d-DC5ACMF4J5", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860052.5,1,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.70','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"]',0,'','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACSG84J','vc-sealing','52:54:00:77:02:06','rehearsal-os@1.0','sealing',1795860091.5,1795860691.5,1795860070.5,1795874470.5,1,'ann','CUBE0006',1,'','','','','b-1',1795860093.0,'seal.task','{"deployment": "d-DC5ACSG84J", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860073.5,1,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.70','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"]',0,'','','{"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ACZQ2Q1','vc-ready','52:54:00:77:02:07','rehearsal-os@1.0','ready',1795860118.5,0.0,1795860094.5,1795874494.5,1,'ann','CUBE0007',1,'','','','','b-1',1795860118.5,'seal.done','{"deployment": "d-DC5ACZQ2Q1", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860097.5,1,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.70','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"]',0,'','','{"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5AD63NE1','vc-rejected','52:54:00:77:02:08','rehearsal-os@1.0','rejected',1795860141.0,0.0,1795860120.0,1795874520.0,1,'ann','CUBE0008',1,'','','','','b-1',1795860141.0,'verify.rejected','{"deployment": "d-DC5AD63NE1", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}',1795860123.0,1,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.70','["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"]',501,'7 of 8 GPUs','mend the hardware','{"result": "rejected", "sentences": ["7 of 8 GPUs"], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ADBMYJ2','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860151.5,0.0,1795860142.5,1795874584.5,1,'ann','CUBE0009',1,'','','','','',1795860151.5,'power.failed','{}',1795860145.5,0,'{}','','[]',203,'the BMC did not do it','provision bmc test','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ADEAT43','vc-cancelled','52:54:00:77:02:0a','rehearsal-os@1.0','cancelled',1795860166.5,0.0,1795860153.0,1795874553.0,2,'ann','CUBE0010',1,'','','','','b-1',1795860166.5,'order.cancelled','{}',1795860156.0,0,'{}','','[]',0,'cancelled by ann','','{}','r-DC59GOLDEN','','full',1);
INSERT INTO "deployments" VALUES('d-DC5ADJ3G6M','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860174.0,0.0,1795860168.0,1795874568.0,1,'bob','CUBE0009',1,'','','','','',1795860174.0,'deadline.passed','{}',1795860171.0,0,'{}','','[]',210,'no sign','look','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADKW9Y8','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','cancelled',1795860180.0,0.0,1795860175.5,1795874575.5,1,'bob','CUBE0009',1,'powering','','','','',1795860180.0,'stage.held','{}',1795860178.5,0,'{}','','[]',0,'stopped after powering, as ordered','','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADNC8WF','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','cancelled',1795860183.0,0.0,1795860181.5,1795874581.5,0,'bob','CUBE0009',1,'','','','','',1795860183.0,'run.stopped','{}',0.0,0,'{}','','[]',0,'2 failed alike','provision status r','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADP3GA6','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860195.0,0.0,1795860184.5,1795874584.5,2,'bob','CUBE0009',1,'','','d438ab79ba308e79a408cc0c27b5e6f355c526158db8836b098ebfb5216af753','','b-3',1795860195.0,'agent.failed','{}',1795860192.0,0,'{}','','[]',313,'two disks fit','name one','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADS6TDZ','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860204.0,0.0,1795860196.5,1795874596.5,1,'bob','CUBE0009',1,'','','101619d932e5e00e553f1d24b2111bc6246a9fb2afd3990dea89b98b8a393ce1','','b-6',1795860204.0,'os.wrong','{}',1795860199.5,0,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','','[]',420,'another system came up','look','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADVBM6V','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860214.5,0.0,1795860205.5,1795874605.5,1,'bob','CUBE0009',1,'','','','','b-7',1795860214.5,'verify.failed','{}',1795860208.5,0,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.71','["ssh-ed25519 AAAAInvented"]',502,'no facts','see log','{}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5ADY0TGM','vc-failed','52:54:00:77:02:09','rehearsal-os@1.0','failed',1795860226.5,0.0,1795860216.0,1795874616.0,1,'bob','CUBE0009',1,'','','','','b-7',1795860226.5,'seal.failed','{}',1795860219.0,0,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','10.77.0.71','["ssh-ed25519 AAAAInvented"]',521,'it still accepts','provision retry','{"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}','','','delta',0);
INSERT INTO "deployments" VALUES('d-DC5AE14ZYZ','vc-installed','52:54:00:77:04:01','ubuntu@24.04.1','failed',1795860238.5,0.0,1795860228.0,1795874628.0,1,'ann','S',1,'','','','','b-i',1795860238.5,'installer.failed','{"phase": "installing packages (SUCCESS)", "origin": "curtin", "failed": "", "unwinds": false}',1795860231.0,0,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','','[]',350,'curtin failed','see log','{}','','ubuntu@24.04.1','delta',0);
INSERT INTO "deployments" VALUES('d-DC5AE47EZP','vc-installed','52:54:00:77:04:01','ubuntu@24.04.1','restarting',1795860250.5,1795862050.5,1795860240.0,1795874640.0,1,'ann','S',1,'','invented-8','','998e194b53ede74c50034342f590e00a347adf57ad5359588446582ba216d029','b-i',1795860250.5,'installer.done','{"phase": "installing packages (SUCCESS)", "origin": "curtin", "failed": "", "unwinds": false}',1795860243.0,0,'{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}','','[]',0,'','','{}','','ubuntu@24.04.1','delta',0);
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
INSERT INTO "events" VALUES(1,1.79585441743840765953e+09,'vault-1','d-DC590MAV0C',0,'order.armed','root','{"by": "root", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:01:01", "serial": "LAB0001", "expires": 1795868817.4384077}');
INSERT INTO "events" VALUES(2,1.79585441743947625157e+09,'vault-2','d-DC590M874B',0,'order.armed','root','{"by": "root", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:01:02", "serial": "LAB0002", "expires": 1795868817.4394763}');
INSERT INTO "events" VALUES(3,1.79585441744020581243e+09,'vault-1','d-DC590MAV0C',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(4,1.79585441846275305753e+09,'vault-1','d-DC590MAV0C',1,'power.began','worker','{"nonce": "sha256:207ef0cfbba8"}');
INSERT INTO "events" VALUES(5,1.79585442047376132009e+09,'vault-2','d-DC590M874B',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(6,1.79585442055870866777e+09,'vault-2','d-DC590M874B',1,'power.began','worker','{"nonce": "sha256:a45ced05056a"}');
INSERT INTO "events" VALUES(7,1.79585442151839160917e+09,'vault-1','d-DC590MAV0C',1,'power.on','bmc','{"act": "on", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(8,1.79585442278331375125e+09,'vault-2','d-DC590M874B',1,'power.on','bmc','{"act": "on", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(9,1.79585442529916167265e+09,'vault-1','d-DC590MAV0C',1,'dhcp.seen','dhcp','{"address": "10.77.0.64", "arch": 7, "uuid": "13ee54a1-385d-5a46-9e47-2d608b6126e5", "vendor_class": "PXEClient:Arch:00007:UNDI:003000"}');
INSERT INTO "events" VALUES(10,1.79585442646783661839e+09,'vault-2','d-DC590M874B',1,'dhcp.seen','dhcp','{"address": "10.77.0.65", "arch": 7, "uuid": "4253b911-e4e6-5e04-9771-49a6c35bd916", "vendor_class": "PXEClient:Arch:00007:UNDI:003000"}');
INSERT INTO "events" VALUES(11,1.79585443129523968696e+09,'vault-1','d-DC590MAV0C',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.64", "serial": "LAB0001", "uuid": "13ee54a1-385d-5a46-9e47-2d608b6126e5"}');
INSERT INTO "events" VALUES(12,1.79585443247601437566e+09,'vault-2','d-DC590M874B',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.65", "serial": "LAB0002", "uuid": "4253b911-e4e6-5e04-9771-49a6c35bd916"}');
INSERT INTO "events" VALUES(13,1.79585444706135678293e+09,'vault-1','d-DC590MAV0C',1,'agent.hello','agent','{"nonce": "sha256:a7a674e6ce2d", "boot_id": "c3713bb7-9594-4c41-8560-2f53bd03ccaf", "serial": "LAB0001", "token_hash": "dc7aed278440f552f12d344ef4a451898fc68f9db35a891779e4358adf5e0d47", "phone_hash": "38faab7dc0b20f537ebc2ad806109ca76f7077341b42312fbd28269c357c9d53"}');
INSERT INTO "events" VALUES(14,1795854447.15935,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 1, "phase": "preparing", "done": 0, "total": 1, "rate": 0.0, "note": "", "disk": ""}');
INSERT INTO "events" VALUES(15,1.79585444920198202128e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 2, "phase": "writing", "done": 220200960, "total": 711983104, "rate": 107868357.1, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(16,1795854451.14157,'vault-2','d-DC590M874B',1,'agent.hello','agent','{"nonce": "sha256:c4d280c8b00a", "boot_id": "56d1a1ab-8295-4878-a4fc-2fc4980d7b00", "serial": "LAB0002", "token_hash": "6011efd3657bdad0ad8c861d596becbe0d8b359c1da3c7ec9863d3d5a19b99a1", "phone_hash": "2001151c453024b13172c1bc3cdf8b99ab8297b729d7744965601042c5c09ef9"}');
INSERT INTO "events" VALUES(17,1.79585445125021243091e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 3, "phase": "writing", "done": 278921216, "total": 711983104, "rate": 28661800.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(18,1.7958544512926664352e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 1, "phase": "preparing", "done": 0, "total": 1, "rate": 0.0, "note": "", "disk": ""}');
INSERT INTO "events" VALUES(19,1.79585445336147308354e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 4, "phase": "writing", "done": 325058560, "total": 711983104, "rate": 22517964.7, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(20,1.7958544533956596851e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 2, "phase": "writing", "done": 207618048, "total": 711983104, "rate": 100070397.2, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(21,1.79585445543864035602e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 5, "phase": "writing", "done": 357564416, "total": 711983104, "rate": 15205129.9, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(22,1.79585445546369481088e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 3, "phase": "writing", "done": 258998272, "total": 711983104, "rate": 24196078.6, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(23,1.79585445751086974141e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 6, "phase": "writing", "done": 391118848, "total": 711983104, "rate": 16318613.5, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(24,1.79585445753932547571e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 4, "phase": "writing", "done": 304087040, "total": 711983104, "rate": 22063203.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(25,1.79585445959542465204e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 5, "phase": "writing", "done": 340787200, "total": 711983104, "rate": 17700445.5, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(26,1.79585445961427450176e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 7, "phase": "writing", "done": 425721856, "total": 711983104, "rate": 16603563.4, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(27,1.79585446168236255643e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 6, "phase": "writing", "done": 370147328, "total": 711983104, "rate": 14294972.7, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(28,1.79585446168324017529e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 8, "phase": "writing", "done": 466616320, "total": 711983104, "rate": 19580249.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(29,1.79585446373407197004e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 7, "phase": "writing", "done": 409993216, "total": 711983104, "rate": 19023729.4, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(30,1.79585446374502587319e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 9, "phase": "writing", "done": 498073600, "total": 711983104, "rate": 15286261.3, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(31,1.79585446579083395004e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 10, "phase": "writing", "done": 538968064, "total": 711983104, "rate": 19826196.7, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(32,1795854465.79832,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 8, "phase": "writing", "done": 440401920, "total": 711983104, "rate": 14845097.3, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(33,1.79585446785119199749e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 9, "phase": "writing", "done": 486539264, "total": 711983104, "rate": 22344127.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(34,1.79585446787373971934e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 11, "phase": "writing", "done": 577765376, "total": 711983104, "rate": 18795555.0, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(35,1.7958544699161901474e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 10, "phase": "writing", "done": 525336576, "total": 711983104, "rate": 18710536.9, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(36,1.795854469945700407e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 12, "phase": "writing", "done": 616562688, "total": 711983104, "rate": 18686778.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(37,1.79585447196624779699e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 11, "phase": "writing", "done": 562036736, "total": 711983104, "rate": 18026635.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(38,1.79585447200564694405e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 13, "phase": "writing", "done": 649068544, "total": 711983104, "rate": 15682834.3, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(39,1795854474.04623,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 14, "phase": "writing", "done": 692060160, "total": 711983104, "rate": 20928256.2, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(40,1.79585447407474040979e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 12, "phase": "writing", "done": 600834048, "total": 711983104, "rate": 18340087.8, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(41,1.79585447626849985117e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 15, "phase": "writing", "done": 711983104, "total": 711983104, "rate": 8985161.1, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(42,1.79585447633404254918e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 13, "phase": "writing", "done": 643825664, "total": 711983104, "rate": 19311406.0, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(43,1.79585447829622244829e+09,'vault-1','d-DC590MAV0C',1,'agent.progress','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 16, "phase": "finishing", "done": 1, "total": 1, "rate": 0.5, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(44,1.79585447834774422646e+09,'vault-1','d-DC590MAV0C',1,'agent.written','machine','{"deployment": "d-DC590MAV0C", "attempt": 1, "seq": 17, "disk": {"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK1", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "holds rehearsal-os 1.0", "foreign": "", "owner": ""}, "seconds": 31.2, "bytes_written": 516947968, "bytes_fetched": 143529805, "bytes_saved": 0}');
INSERT INTO "events" VALUES(45,1.7958544783873865604e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 14, "phase": "writing", "done": 700448768, "total": 711983104, "rate": 27213730.1, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(46,1.79585447932389950754e+09,'vault-1','d-DC590MAV0C',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(47,1.7958544803826413154e+09,'vault-1','d-DC590MAV0C',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(48,1.79585448041375827796e+09,'vault-2','d-DC590M874B',1,'agent.progress','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 15, "phase": "finishing", "done": 0, "total": 1, "rate": 0.0, "note": "", "disk": "vda"}');
INSERT INTO "events" VALUES(49,1.79585448057660055157e+09,'vault-2','d-DC590M874B',1,'agent.written','machine','{"deployment": "d-DC590M874B", "attempt": 1, "seq": 16, "disk": {"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK2", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "holds rehearsal-os 1.0", "foreign": "", "owner": ""}, "seconds": 29.3, "bytes_written": 516947968, "bytes_fetched": 143529805, "bytes_saved": 0}');
INSERT INTO "events" VALUES(50,1.79585448126736736294e+09,'vault-2','d-DC590M874B',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(51,1.79585448260947132107e+09,'vault-2','d-DC590M874B',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(52,1.79585455634287977219e+09,'vault-1','d-DC590MAV0C',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICgePsxKC2toLhEpLZqRyH+v86lbj44TL5JCc23Prw0t root@vault-1"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "vda", "serial": "LABDISK1", "size": 1073741824}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "2c3c06b6-6ed8-4f23-b7fe-28cc04ed0114", "address": "10.77.0.64"}');
INSERT INTO "events" VALUES(53,1.79585455815390610694e+09,'vault-2','d-DC590M874B',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq+sEH5qNoXmmHqKECBxlimNrkM1GXl7RIvit4PR0Aj root@vault-2"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "vda", "serial": "LABDISK2", "size": 1073741824}, "machine_id": "4253b911e4e65e04977149a6c35bd916", "boot_id": "cca2f594-004c-43ec-b109-4f91494ef1fc", "address": "10.77.0.65"}');
INSERT INTO "events" VALUES(54,1.79585456320594882969e+09,'vault-1','d-DC590MAV0C',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(55,1.79585456320815205566e+09,'vault-1','d-DC590MAV0C',1,'verify.task','ansible','{"task": "root disk", "result": "ok", "sentence": "the root file system is on disk serial LABDISK1", "seconds": 0}');
INSERT INTO "events" VALUES(56,1.79585456321508431438e+09,'vault-1','d-DC590MAV0C',1,'verify.task','ansible','{"task": "memory", "result": "ok", "sentence": "memory 0.9 GiB, the profile wants at least 0.9 GiB", "seconds": 0}');
INSERT INTO "events" VALUES(57,1.79585456322260665889e+09,'vault-1','d-DC590MAV0C',1,'verify.task','ansible','{"task": "network card", "result": "ok", "sentence": "network card 52:54:00:77:01:01 is there", "seconds": 0}');
INSERT INTO "events" VALUES(58,1.79585456323765015607e+09,'vault-1','d-DC590MAV0C',1,'verify.task','ansible','{"task": "pci 1234:11e8", "result": "ok", "sentence": "1 PCI device 1234:11e8 (edu) expected, 1 found", "seconds": 0}');
INSERT INTO "events" VALUES(59,1.79585456325354599948e+09,'vault-1','d-DC590MAV0C',1,'verify.passed','ansible','{"verdict": {"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "vda", "serial": "LABDISK1"}], "memory": 1000820736, "macs": ["52:54:00:77:01:01"], "pci": {"1234:1111": 1, "1234:11e8": 1, "1af4:1000": 1, "1af4:1001": 1, "1af4:1005": 1, "8086:2918": 1, "8086:2922": 1, "8086:2930": 1, "8086:29c0": 1}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "kernel": "6.1.0-56-amd64", "cloud_init": "done"}}}');
INSERT INTO "events" VALUES(60,1.7958545646288547516e+09,'vault-2','d-DC590M874B',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(61,1.79585456463635587693e+09,'vault-2','d-DC590M874B',1,'verify.task','ansible','{"task": "root disk", "result": "ok", "sentence": "the root file system is on disk serial LABDISK2", "seconds": 0}');
INSERT INTO "events" VALUES(62,1.79585456464230561256e+09,'vault-2','d-DC590M874B',1,'verify.task','ansible','{"task": "memory", "result": "ok", "sentence": "memory 0.9 GiB, the profile wants at least 0.9 GiB", "seconds": 0}');
INSERT INTO "events" VALUES(63,1.79585456464645481112e+09,'vault-2','d-DC590M874B',1,'verify.task','ansible','{"task": "network card", "result": "ok", "sentence": "network card 52:54:00:77:01:02 is there", "seconds": 0}');
INSERT INTO "events" VALUES(64,1.79585456465078377721e+09,'vault-2','d-DC590M874B',1,'verify.task','ansible','{"task": "pci 1234:11e8", "result": "ok", "sentence": "1 PCI device 1234:11e8 (edu) expected, 1 found", "seconds": 0}');
INSERT INTO "events" VALUES(65,1.79585456465698552132e+09,'vault-2','d-DC590M874B',1,'verify.passed','ansible','{"verdict": {"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "vda", "serial": "LABDISK2"}], "memory": 1000820736, "macs": ["52:54:00:77:01:02"], "pci": {"1234:1111": 1, "1234:11e8": 1, "1af4:1000": 1, "1af4:1001": 1, "1af4:1005": 1, "8086:2918": 1, "8086:2922": 1, "8086:2930": 1, "8086:29c0": 1}, "machine_id": "4253b911e4e65e04977149a6c35bd916", "kernel": "6.1.0-56-amd64", "cloud_init": "done"}}}');
INSERT INTO "events" VALUES(66,1.79585457485464572904e+09,'vault-1','d-DC590MAV0C',1,'seal.task','ansible','{"task": "put out what only the deployment needed", "result": "ok", "sentence": "the seed on /dev/vda3 is zeroed, cloud-init is off", "seconds": 11.1}');
INSERT INTO "events" VALUES(67,1.79585457824897480006e+09,'vault-2','d-DC590M874B',1,'seal.task','ansible','{"task": "put out what only the deployment needed", "result": "ok", "sentence": "the seed on /dev/vda3 is zeroed, cloud-init is off", "seconds": 13.1}');
INSERT INTO "events" VALUES(68,1.79585459105636096005e+09,'vault-1','d-DC590MAV0C',1,'seal.task','ansible','{"task": "remove sudo and the deployment key", "result": "ok", "sentence": "sudo and the deployment''s key are gone", "seconds": 15.7}');
INSERT INTO "events" VALUES(69,1.79585459179615831376e+09,'vault-1','d-DC590MAV0C',1,'seal.task','ansible','{"task": "knock once more", "result": "ok", "sentence": "vault-1 refuses the deployment''s key", "seconds": 0}');
INSERT INTO "events" VALUES(70,1.79585459181097769742e+09,'vault-1','d-DC590MAV0C',1,'seal.done','ansible','{"mode": "full"}');
INSERT INTO "events" VALUES(71,1.79585459277048754694e+09,'vault-2','d-DC590M874B',1,'seal.task','ansible','{"task": "remove sudo and the deployment key", "result": "ok", "sentence": "sudo and the deployment''s key are gone", "seconds": 14.2}');
INSERT INTO "events" VALUES(72,1.79585459336717081068e+09,'vault-2','d-DC590M874B',1,'seal.task','ansible','{"task": "knock once more", "result": "ok", "sentence": "vault-2 refuses the deployment''s key", "seconds": 0}');
INSERT INTO "events" VALUES(73,1.79585459338321375847e+09,'vault-2','d-DC590M874B',1,'seal.done','ansible','{"mode": "full"}');
INSERT INTO "events" VALUES(74,1795860004.5,'vc-queued','d-DC5AC93W3R',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:00", "serial": "CUBE0000", "expires": 1795874404.5, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(75,1795860006.0,'vc-powering','d-DC5AC9K9P6',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:01", "serial": "CUBE0001", "expires": 1795874406.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(76,1795860007.5,'vc-powering','d-DC5AC9K9P6',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(77,1795860009.0,'vc-powering','d-DC5AC9K9P6',1,'power.began','worker','{"nonce": "sha256:537a05fc220b"}');
INSERT INTO "events" VALUES(78,1795860010.5,'vc-powering','d-DC5AC9K9P6',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(79,1795860012.0,'vc-netbooting','d-DC5ACB19A3',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:02", "serial": "CUBE0002", "expires": 1795874412.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(80,1795860013.5,'vc-netbooting','d-DC5ACB19A3',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(81,1795860015.0,'vc-netbooting','d-DC5ACB19A3',1,'power.began','worker','{"nonce": "sha256:e2a961079cd6"}');
INSERT INTO "events" VALUES(82,1795860016.5,'vc-netbooting','d-DC5ACB19A3',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(83,1795860018.0,'vc-netbooting','d-DC5ACB19A3',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(84,1795860019.5,'vc-netbooting','d-DC5ACB19A3',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0002", "uuid": ""}');
INSERT INTO "events" VALUES(85,1795860021.0,'vc-writing','d-DC5ACD9AG9',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:03", "serial": "CUBE0003", "expires": 1795874421.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(86,1795860022.5,'vc-writing','d-DC5ACD9AG9',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(87,1795860024.0,'vc-writing','d-DC5ACD9AG9',1,'power.began','worker','{"nonce": "sha256:2424fcc96101"}');
INSERT INTO "events" VALUES(88,1795860025.5,'vc-writing','d-DC5ACD9AG9',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(89,1795860027.0,'vc-writing','d-DC5ACD9AG9',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(90,1795860028.5,'vc-writing','d-DC5ACD9AG9',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0003", "uuid": ""}');
INSERT INTO "events" VALUES(91,1795860030.0,'vc-writing','d-DC5ACD9AG9',1,'agent.hello','agent','{"nonce": "sha256:f85986a6d92f", "boot_id": "b-1", "serial": "CUBE0003", "token_hash": "c65186ac43df2c4450754ed7353c00336bb4f058e550ee86cb4714e5fcd44b27", "phone_hash": "faa80a848ccd781bf5e40d3a51281cc51d9879978c7e996926ae5ae352edf041"}');
INSERT INTO "events" VALUES(92,1795860031.5,'vc-writing','d-DC5ACD9AG9',1,'agent.progress','machine','{"deployment": "d-DC5ACD9AG9", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(93,1795860033.0,'vc-restarting','d-DC5ACGBDA4',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:04", "serial": "CUBE0004", "expires": 1795874433.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(94,1795860034.5,'vc-restarting','d-DC5ACGBDA4',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(95,1795860036.0,'vc-restarting','d-DC5ACGBDA4',1,'power.began','worker','{"nonce": "sha256:871e4f8c1f19"}');
INSERT INTO "events" VALUES(96,1795860037.5,'vc-restarting','d-DC5ACGBDA4',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(97,1795860039.0,'vc-restarting','d-DC5ACGBDA4',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(98,1795860040.5,'vc-restarting','d-DC5ACGBDA4',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0004", "uuid": ""}');
INSERT INTO "events" VALUES(99,1795860042.0,'vc-restarting','d-DC5ACGBDA4',1,'agent.hello','agent','{"nonce": "sha256:cf1f73c635b8", "boot_id": "b-1", "serial": "CUBE0004", "token_hash": "84a8b5372760fbd018f055215e334c7ba632651a78b02b91dcc29f9b10ff56d4", "phone_hash": "ecae8e852450416163d32f6bf45f0526b95fcf27307bf16d0e6be62808e654c1"}');
INSERT INTO "events" VALUES(100,1795860043.5,'vc-restarting','d-DC5ACGBDA4',1,'agent.progress','machine','{"deployment": "d-DC5ACGBDA4", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(101,1795860045.0,'vc-restarting','d-DC5ACGBDA4',1,'agent.written','machine','{"deployment": "d-DC5ACGBDA4", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 81.5, "bytes_written": 8589934592, "bytes_fetched": 2147483648, "bytes_saved": 5}');
INSERT INTO "events" VALUES(102,1795860046.5,'vc-restarting','d-DC5ACGBDA4',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(103,1795860048.0,'vc-restarting','d-DC5ACGBDA4',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(104,1795860049.5,'vc-verifying','d-DC5ACMF4J5',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:05", "serial": "CUBE0005", "expires": 1795874449.5, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(105,1795860051.0,'vc-verifying','d-DC5ACMF4J5',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(106,1795860052.5,'vc-verifying','d-DC5ACMF4J5',1,'power.began','worker','{"nonce": "sha256:06e534087ec8"}');
INSERT INTO "events" VALUES(107,1795860054.0,'vc-verifying','d-DC5ACMF4J5',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(108,1795860055.5,'vc-verifying','d-DC5ACMF4J5',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(109,1795860057.0,'vc-verifying','d-DC5ACMF4J5',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0005", "uuid": ""}');
INSERT INTO "events" VALUES(110,1795860058.5,'vc-verifying','d-DC5ACMF4J5',1,'agent.hello','agent','{"nonce": "sha256:39b241a25d3c", "boot_id": "b-1", "serial": "CUBE0005", "token_hash": "ff717e0a47fb8ee42a48c33a312fecae9427c088291089d24b1a925bd7ab396c", "phone_hash": "1837df6a351938decf43601f8eee4430f3f2bbdbddf4f0ce10b5007253ad3734"}');
INSERT INTO "events" VALUES(111,1795860060.0,'vc-verifying','d-DC5ACMF4J5',1,'agent.progress','machine','{"deployment": "d-DC5ACMF4J5", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(112,1795860061.5,'vc-verifying','d-DC5ACMF4J5',1,'agent.written','machine','{"deployment": "d-DC5ACMF4J5", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 81.5, "bytes_written": 8589934592, "bytes_fetched": 2147483648, "bytes_saved": 5}');
INSERT INTO "events" VALUES(113,1795860063.0,'vc-verifying','d-DC5ACMF4J5',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(114,1795860064.5,'vc-verifying','d-DC5ACMF4J5',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(115,1795860066.0,'vc-verifying','d-DC5ACMF4J5',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os", "address": "10.77.0.70"}');
INSERT INTO "events" VALUES(116,1795860067.5,'vc-verifying','d-DC5ACMF4J5',1,'verify.unreachable','ansible','{"sentence": "vc cannot be reached: timed out"}');
INSERT INTO "events" VALUES(117,1795860069.0,'vc-verifying','d-DC5ACMF4J5',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(118,1795860070.5,'vc-sealing','d-DC5ACSG84J',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:06", "serial": "CUBE0006", "expires": 1795874470.5, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(119,1795860072.0,'vc-sealing','d-DC5ACSG84J',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(120,1795860073.5,'vc-sealing','d-DC5ACSG84J',1,'power.began','worker','{"nonce": "sha256:18399877a86b"}');
INSERT INTO "events" VALUES(121,1795860075.0,'vc-sealing','d-DC5ACSG84J',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(122,1795860076.5,'vc-sealing','d-DC5ACSG84J',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(123,1795860078.0,'vc-sealing','d-DC5ACSG84J',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0006", "uuid": ""}');
INSERT INTO "events" VALUES(124,1795860079.5,'vc-sealing','d-DC5ACSG84J',1,'agent.hello','agent','{"nonce": "sha256:a4785215ee95", "boot_id": "b-1", "serial": "CUBE0006", "token_hash": "4f8ae02e2f35b9b40f0b27d64bdcebf4173ced2e8a8396f0e4eb4f7f01583c25", "phone_hash": "055d072efb30cc1c6ab1ef2b1beb201e180d34ceb434668a3f41f49fbea462bb"}');
INSERT INTO "events" VALUES(125,1795860081.0,'vc-sealing','d-DC5ACSG84J',1,'agent.progress','machine','{"deployment": "d-DC5ACSG84J", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(126,1795860082.5,'vc-sealing','d-DC5ACSG84J',1,'agent.written','machine','{"deployment": "d-DC5ACSG84J", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 81.5, "bytes_written": 8589934592, "bytes_fetched": 2147483648, "bytes_saved": 5}');
INSERT INTO "events" VALUES(127,1795860084.0,'vc-sealing','d-DC5ACSG84J',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(128,1795860085.5,'vc-sealing','d-DC5ACSG84J',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(129,1795860087.0,'vc-sealing','d-DC5ACSG84J',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os", "address": "10.77.0.70"}');
INSERT INTO "events" VALUES(130,1795860088.5,'vc-sealing','d-DC5ACSG84J',1,'verify.unreachable','ansible','{"sentence": "vc cannot be reached: timed out"}');
INSERT INTO "events" VALUES(131,1795860090.0,'vc-sealing','d-DC5ACSG84J',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(132,1795860091.5,'vc-sealing','d-DC5ACSG84J',1,'verify.passed','ansible','{"verdict": {"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}}');
INSERT INTO "events" VALUES(133,1795860093.0,'vc-sealing','d-DC5ACSG84J',1,'seal.task','ansible','{"task": "shred", "result": "ok", "sentence": "the seed is gone", "seconds": 1.2}');
INSERT INTO "events" VALUES(134,1795860094.5,'vc-ready','d-DC5ACZQ2Q1',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:07", "serial": "CUBE0007", "expires": 1795874494.5, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(135,1795860096.0,'vc-ready','d-DC5ACZQ2Q1',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(136,1795860097.5,'vc-ready','d-DC5ACZQ2Q1',1,'power.began','worker','{"nonce": "sha256:14c17adf2919"}');
INSERT INTO "events" VALUES(137,1795860099.0,'vc-ready','d-DC5ACZQ2Q1',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(138,1795860100.5,'vc-ready','d-DC5ACZQ2Q1',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(139,1795860102.0,'vc-ready','d-DC5ACZQ2Q1',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0007", "uuid": ""}');
INSERT INTO "events" VALUES(140,1795860103.5,'vc-ready','d-DC5ACZQ2Q1',1,'agent.hello','agent','{"nonce": "sha256:08db0040c0f2", "boot_id": "b-1", "serial": "CUBE0007", "token_hash": "35dcfb247c7ba719adfe83c4e2fba8fffef895d1b96fb1af4c0bdd2f687c33ce", "phone_hash": "362e6264a46870da15de22162f45f79d7eb17c10b1d717990aabe03417436b29"}');
INSERT INTO "events" VALUES(141,1795860105.0,'vc-ready','d-DC5ACZQ2Q1',1,'agent.progress','machine','{"deployment": "d-DC5ACZQ2Q1", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(142,1795860106.5,'vc-ready','d-DC5ACZQ2Q1',1,'agent.written','machine','{"deployment": "d-DC5ACZQ2Q1", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 81.5, "bytes_written": 8589934592, "bytes_fetched": 2147483648, "bytes_saved": 5}');
INSERT INTO "events" VALUES(143,1795860108.0,'vc-ready','d-DC5ACZQ2Q1',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(144,1795860109.5,'vc-ready','d-DC5ACZQ2Q1',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(145,1795860111.0,'vc-ready','d-DC5ACZQ2Q1',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os", "address": "10.77.0.70"}');
INSERT INTO "events" VALUES(146,1795860112.5,'vc-ready','d-DC5ACZQ2Q1',1,'verify.unreachable','ansible','{"sentence": "vc cannot be reached: timed out"}');
INSERT INTO "events" VALUES(147,1795860114.0,'vc-ready','d-DC5ACZQ2Q1',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(148,1795860115.5,'vc-ready','d-DC5ACZQ2Q1',1,'verify.passed','ansible','{"verdict": {"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}}');
INSERT INTO "events" VALUES(149,1795860117.0,'vc-ready','d-DC5ACZQ2Q1',1,'seal.task','ansible','{"task": "shred", "result": "ok", "sentence": "the seed is gone", "seconds": 1.2}');
INSERT INTO "events" VALUES(150,1795860118.5,'vc-ready','d-DC5ACZQ2Q1',1,'seal.done','ansible','{"mode": "keep-access"}');
INSERT INTO "events" VALUES(151,1795860120.0,'vc-rejected','d-DC5AD63NE1',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:08", "serial": "CUBE0008", "expires": 1795874520.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(152,1795860121.5,'vc-rejected','d-DC5AD63NE1',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(153,1795860123.0,'vc-rejected','d-DC5AD63NE1',1,'power.began','worker','{"nonce": "sha256:5041249825b9"}');
INSERT INTO "events" VALUES(154,1795860124.5,'vc-rejected','d-DC5AD63NE1',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(155,1795860126.0,'vc-rejected','d-DC5AD63NE1',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(156,1795860127.5,'vc-rejected','d-DC5AD63NE1',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0008", "uuid": ""}');
INSERT INTO "events" VALUES(157,1795860129.0,'vc-rejected','d-DC5AD63NE1',1,'agent.hello','agent','{"nonce": "sha256:e7467252c90b", "boot_id": "b-1", "serial": "CUBE0008", "token_hash": "dbf48ebb8031c002f4f391ed62cc4a4d2a56ef31ea130c11735f46e33c87795b", "phone_hash": "1ea969fd81f0cc11c31274be9f2a34d033e38a428d1de2ae4c4eb0b1a374ce52"}');
INSERT INTO "events" VALUES(158,1795860130.5,'vc-rejected','d-DC5AD63NE1',1,'agent.progress','machine','{"deployment": "d-DC5AD63NE1", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(159,1795860132.0,'vc-rejected','d-DC5AD63NE1',1,'agent.written','machine','{"deployment": "d-DC5AD63NE1", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 81.5, "bytes_written": 8589934592, "bytes_fetched": 2147483648, "bytes_saved": 5}');
INSERT INTO "events" VALUES(160,1795860133.5,'vc-rejected','d-DC5AD63NE1',1,'disk.chosen','bmc','{"note": ""}');
INSERT INTO "events" VALUES(161,1795860135.0,'vc-rejected','d-DC5AD63NE1',1,'agent.rebooting','machine','{}');
INSERT INTO "events" VALUES(162,1795860136.5,'vc-rejected','d-DC5AD63NE1',1,'os.phoned','machine','{"host_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInvented root@x"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os", "address": "10.77.0.70"}');
INSERT INTO "events" VALUES(163,1795860138.0,'vc-rejected','d-DC5AD63NE1',1,'verify.unreachable','ansible','{"sentence": "vc cannot be reached: timed out"}');
INSERT INTO "events" VALUES(164,1795860139.5,'vc-rejected','d-DC5AD63NE1',1,'verify.task','ansible','{"task": "image", "result": "ok", "sentence": "the OS is image rehearsal-os 1.0", "seconds": 0}');
INSERT INTO "events" VALUES(165,1795860141.0,'vc-rejected','d-DC5AD63NE1',1,'verify.rejected','ansible','{"code": 501, "sentence": "7 of 8 GPUs", "hint": "mend the hardware", "verdict": {"result": "rejected", "sentences": ["7 of 8 GPUs"], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}, "console": []}');
INSERT INTO "events" VALUES(166,1795860142.5,'vc-failed','d-DC5ADBMYJ2',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874542.5, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(167,1795860144.0,'vc-failed','d-DC5ADBMYJ2',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(168,1795860145.5,'vc-failed','d-DC5ADBMYJ2',1,'power.began','worker','{"nonce": "sha256:6e43f7684188"}');
INSERT INTO "events" VALUES(169,1795860147.0,'vc-failed','d-DC5ADBMYJ2',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(170,1795860148.5,'vc-failed','d-DC5ADBMYJ2',1,'console.lost','worker','{"sentence": "no SOL", "code": 209}');
INSERT INTO "events" VALUES(171,1795860150.0,'vc-failed','d-DC5ADBMYJ2',1,'clock.gap','worker','{"seconds": 42.0}');
INSERT INTO "events" VALUES(172,1795860151.5,'vc-failed','d-DC5ADBMYJ2',1,'power.failed','worker','{"code": 203, "sentence": "the BMC did not do it", "hint": "provision bmc test", "console": []}');
INSERT INTO "events" VALUES(173,1795860153.0,'vc-cancelled','d-DC5ADEAT43',0,'order.armed','ann','{"by": "ann", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:0a", "serial": "CUBE0010", "expires": 1795874553.0, "write_mode": "full", "erase_foreign": true}');
INSERT INTO "events" VALUES(174,1795860154.5,'vc-cancelled','d-DC5ADEAT43',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(175,1795860156.0,'vc-cancelled','d-DC5ADEAT43',1,'power.began','worker','{"nonce": "sha256:c131d9746dd8"}');
INSERT INTO "events" VALUES(176,1795860157.5,'vc-cancelled','d-DC5ADEAT43',1,'power.on','bmc','{"act": "reset", "state": "on", "boot": "network", "confirmed": true, "note": ""}');
INSERT INTO "events" VALUES(177,1795860159.0,'vc-cancelled','d-DC5ADEAT43',1,'dhcp.seen','dhcp','{"address": "10.77.0.70", "arch": 7, "uuid": "6a1d2c3e-0000-4000-8000-0123456789ab", "vendor_class": "PXEClient:Arch:00007:UNDI:003016"}');
INSERT INTO "events" VALUES(178,1795860160.5,'vc-cancelled','d-DC5ADEAT43',1,'script.served','machine','{"boots": "ramdisk", "address": "10.77.0.70", "serial": "CUBE0010", "uuid": ""}');
INSERT INTO "events" VALUES(179,1795860162.0,'vc-cancelled','d-DC5ADEAT43',1,'agent.hello','agent','{"nonce": "sha256:0c8e3b161de4", "boot_id": "b-1", "serial": "CUBE0010", "token_hash": "0f2ea717617dab795a97f3a58683ea3c2e6301fe38821423c7714980492f1d15", "phone_hash": "2473a45984d5dc01c78abd39657b4eb6487cde7939f28108e9b7f85a20a0057b"}');
INSERT INTO "events" VALUES(180,1795860163.5,'vc-cancelled','d-DC5ADEAT43',1,'agent.progress','machine','{"deployment": "d-DC5ADEAT43", "attempt": 1, "seq": 1, "phase": "writing", "done": 1073741824, "total": 8589934592, "rate": 150000000.0, "note": "", "disk": "nvme0n1"}');
INSERT INTO "events" VALUES(181,1795860165.0,'vc-cancelled','d-DC5ADEAT43',2,'agent.silent','worker','{"seconds": 61, "who": "agent"}');
INSERT INTO "events" VALUES(182,1795860166.5,'vc-cancelled','d-DC5ADEAT43',2,'order.cancelled','operator','{"by": "ann"}');
INSERT INTO "events" VALUES(183,1795860168.0,'vc-failed','d-DC5ADJ3G6M',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874568.0}');
INSERT INTO "events" VALUES(184,1795860169.5,'vc-failed','d-DC5ADJ3G6M',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(185,1795860171.0,'vc-failed','d-DC5ADJ3G6M',1,'power.began','worker','{"nonce": "sha256:3c3373f158b1"}');
INSERT INTO "events" VALUES(186,1795860172.5,'vc-failed','d-DC5ADJ3G6M',1,'power.asked','bmc','{"act": "on", "state": "", "boot": "", "confirmed": false, "note": "by hand"}');
INSERT INTO "events" VALUES(187,1795860174.0,'vc-failed','d-DC5ADJ3G6M',1,'deadline.passed','worker','{"code": 210, "sentence": "no sign", "hint": "look", "console": []}');
INSERT INTO "events" VALUES(188,1795860175.5,'vc-failed','d-DC5ADKW9Y8',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874575.5}');
INSERT INTO "events" VALUES(189,1795860177.0,'vc-failed','d-DC5ADKW9Y8',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(190,1795860178.5,'vc-failed','d-DC5ADKW9Y8',1,'power.began','worker','{"nonce": "sha256:1525c9b4b8b2"}');
INSERT INTO "events" VALUES(191,1795860180.0,'vc-failed','d-DC5ADKW9Y8',1,'dhcp.seen','dhcp','{"address": "10.77.0.71", "arch": 0, "uuid": "", "vendor_class": "PXEClient"}');
INSERT INTO "events" VALUES(192,1795860180.0,'vc-failed','d-DC5ADKW9Y8',1,'stage.held','order','{"stage": "powering"}');
INSERT INTO "events" VALUES(193,1795860181.5,'vc-failed','d-DC5ADNC8WF',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874581.5}');
INSERT INTO "events" VALUES(194,1795860183.0,'vc-failed','d-DC5ADNC8WF',0,'run.stopped','worker','{"sentence": "2 failed alike", "hint": "provision status r"}');
INSERT INTO "events" VALUES(195,1795860184.5,'vc-failed','d-DC5ADP3GA6',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874584.5}');
INSERT INTO "events" VALUES(196,1795860186.0,'vc-failed','d-DC5ADP3GA6',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(197,1795860187.5,'vc-failed','d-DC5ADP3GA6',1,'power.began','worker','{"nonce": "sha256:4466233cf6de"}');
INSERT INTO "events" VALUES(198,1795860189.0,'vc-failed','d-DC5ADP3GA6',1,'agent.hello','agent','{"nonce": "sha256:ac58d15c8c71", "boot_id": "b-2", "serial": "", "token_hash": "d64a26bc3eddde33f29265bab6a0fafc30f1fa99affb2841ccca91ebf806495d", "phone_hash": "92f6fb3254c2055990e9162db5abdd51ce7c1bab19e017c2cd9cb01d71fd06a2"}');
INSERT INTO "events" VALUES(199,1795860190.5,'vc-failed','d-DC5ADP3GA6',2,'netboot.again','dhcp','{"address": "10.77.0.71", "arch": 0, "uuid": "", "vendor_class": ""}');
INSERT INTO "events" VALUES(200,1795860192.0,'vc-failed','d-DC5ADP3GA6',2,'power.began','worker','{"nonce": "sha256:514effb1e4ad"}');
INSERT INTO "events" VALUES(201,1795860193.5,'vc-failed','d-DC5ADP3GA6',2,'agent.hello','agent','{"nonce": "sha256:49b42bee4fc4", "boot_id": "b-3", "serial": "", "token_hash": "fb7cde426aa5c4b2870a48ce375acd7c7dbf600ea18cbe4f327b3b375ac259ad", "phone_hash": "426c522d3b3a0f19261a93d7fb6ffa1a27916bc589094853e51aadd8effaa8c1"}');
INSERT INTO "events" VALUES(202,1795860195.0,'vc-failed','d-DC5ADP3GA6',2,'agent.failed','machine','{"deployment": "d-DC5ADP3GA6", "attempt": 2, "seq": 4, "code": 313, "sentence": "two disks fit", "hint": "name one", "console": []}');
INSERT INTO "events" VALUES(203,1795860196.5,'vc-failed','d-DC5ADS6TDZ',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874596.5}');
INSERT INTO "events" VALUES(204,1795860198.0,'vc-failed','d-DC5ADS6TDZ',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(205,1795860199.5,'vc-failed','d-DC5ADS6TDZ',1,'power.began','worker','{"nonce": "sha256:5a703ae2b811"}');
INSERT INTO "events" VALUES(206,1795860201.0,'vc-failed','d-DC5ADS6TDZ',1,'agent.hello','agent','{"nonce": "sha256:46d54c84f0d4", "boot_id": "b-6", "serial": "", "token_hash": "9b86a8cbc0baa8538b771a953c189c93ddfd1b8f2d4c6a6c66139222ffc303ea", "phone_hash": "680fd42638cb4d889534ae1e79e7c1215644782ab5cee35299153d30b5fb6504"}');
INSERT INTO "events" VALUES(207,1795860202.5,'vc-failed','d-DC5ADS6TDZ',1,'agent.written','machine','{"deployment": "d-DC5ADS6TDZ", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 8.5, "bytes_written": 1, "bytes_fetched": 1, "bytes_saved": 0}');
INSERT INTO "events" VALUES(208,1795860204.0,'vc-failed','d-DC5ADS6TDZ',1,'os.wrong','machine','{"code": 420, "sentence": "another system came up", "hint": "look", "host_keys": [], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os", "address": "10.77.0.71", "console": []}');
INSERT INTO "events" VALUES(209,1795860205.5,'vc-failed','d-DC5ADVBM6V',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874605.5}');
INSERT INTO "events" VALUES(210,1795860207.0,'vc-failed','d-DC5ADVBM6V',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(211,1795860208.5,'vc-failed','d-DC5ADVBM6V',1,'power.began','worker','{"nonce": "sha256:25a8fe8914c4"}');
INSERT INTO "events" VALUES(212,1795860210.0,'vc-failed','d-DC5ADVBM6V',1,'agent.hello','agent','{"nonce": "sha256:5be7beadeb34", "boot_id": "b-7", "serial": "", "token_hash": "b133be7f24d7be4b1cc2b12932797e20614353e1beb7677f2ea2f1818aff73d9", "phone_hash": "8f93c943bd7a09528758e25f2bc2baf844e76ba5c73dbbfca5bd200f44112afe"}');
INSERT INTO "events" VALUES(213,1795860211.5,'vc-failed','d-DC5ADVBM6V',1,'agent.written','machine','{"deployment": "d-DC5ADVBM6V", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 8.5, "bytes_written": 1, "bytes_fetched": 1, "bytes_saved": 0}');
INSERT INTO "events" VALUES(214,1795860213.0,'vc-failed','d-DC5ADVBM6V',1,'os.phoned','machine','{"address": "10.77.0.71", "host_keys": ["ssh-ed25519 AAAAInvented"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os"}');
INSERT INTO "events" VALUES(215,1795860214.5,'vc-failed','d-DC5ADVBM6V',1,'verify.failed','ansible','{"code": 502, "sentence": "no facts", "hint": "see log", "console": []}');
INSERT INTO "events" VALUES(216,1795860216.0,'vc-failed','d-DC5ADY0TGM',0,'order.armed','bob','{"by": "bob", "image": "rehearsal-os@1.0", "mac": "52:54:00:77:02:09", "serial": "CUBE0009", "expires": 1795874616.0}');
INSERT INTO "events" VALUES(217,1795860217.5,'vc-failed','d-DC5ADY0TGM',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(218,1795860219.0,'vc-failed','d-DC5ADY0TGM',1,'power.began','worker','{"nonce": "sha256:102c0924386a"}');
INSERT INTO "events" VALUES(219,1795860220.5,'vc-failed','d-DC5ADY0TGM',1,'agent.hello','agent','{"nonce": "sha256:7216f334708b", "boot_id": "b-7", "serial": "", "token_hash": "848227a8e6481ae936c10a609f53a9374b29b2e339d62e0ee6c3e46db8694f8d", "phone_hash": "5f5dd875b81ddc11dc7702bb04693f5093dc951a537d09b76d0cfaa58fb8af11"}');
INSERT INTO "events" VALUES(220,1795860222.0,'vc-failed','d-DC5ADY0TGM',1,'agent.written','machine','{"deployment": "d-DC5ADY0TGM", "attempt": 1, "seq": 9, "disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "seconds": 8.5, "bytes_written": 1, "bytes_fetched": 1, "bytes_saved": 0}');
INSERT INTO "events" VALUES(221,1795860223.5,'vc-failed','d-DC5ADY0TGM',1,'os.phoned','machine','{"address": "10.77.0.71", "host_keys": ["ssh-ed25519 AAAAInvented"], "image_id": "rehearsal-os", "image_version": "1.0", "root_disk": {"name": "nvme0n1", "serial": "S1", "size": 480103981056}, "machine_id": "13ee54a1385d5a469e472d608b6126e5", "boot_id": "b-os"}');
INSERT INTO "events" VALUES(222,1795860225.0,'vc-failed','d-DC5ADY0TGM',1,'verify.passed','ansible','{"verdict": {"result": "passed", "sentences": [], "facts": {"image_id": "rehearsal-os", "image_version": "1.0", "root_disks": [{"name": "nvme0n1", "serial": "S1"}], "memory": 579820584960, "macs": ["52:54:00:77:02:05"], "pci": {"10de:2330": 8}, "machine_id": "", "kernel": "6.8.0", "cloud_init": "done"}}}');
INSERT INTO "events" VALUES(223,1795860226.5,'vc-failed','d-DC5ADY0TGM',1,'seal.failed','ansible','{"code": 521, "sentence": "it still accepts", "hint": "provision retry", "console": []}');
INSERT INTO "events" VALUES(224,1795860228.0,'vc-installed','d-DC5AE14ZYZ',0,'order.armed','ann','{"by": "ann", "image": "ubuntu@24.04.1", "mac": "52:54:00:77:04:01", "serial": "", "expires": 1795874628.0}');
INSERT INTO "events" VALUES(225,1795860229.5,'vc-installed','d-DC5AE14ZYZ',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(226,1795860231.0,'vc-installed','d-DC5AE14ZYZ',1,'power.began','worker','{"nonce": "sha256:57b73ab8c19d"}');
INSERT INTO "events" VALUES(227,1795860232.5,'vc-installed','d-DC5AE14ZYZ',1,'seed.served','machine','{"address": "10.77.0.90"}');
INSERT INTO "events" VALUES(228,1795860234.0,'vc-installed','d-DC5AE14ZYZ',1,'installer.began','machine','{"nonce": "sha256:842793a0803a", "phone_hash": "8c1a25d52163d58587cb9c3cc09ece4d47619b9766f1e11691e0a7b1442c2f94"}');
INSERT INTO "events" VALUES(229,1795860235.5,'vc-installed','d-DC5AE14ZYZ',1,'installer.disk','machine','{"disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "boot_id": "b-i", "serial": "S"}');
INSERT INTO "events" VALUES(230,1795860237.0,'vc-installed','d-DC5AE14ZYZ',1,'installer.progress','machine','{"phase": "installing packages (SUCCESS)", "origin": "curtin", "failed": "", "unwinds": false}');
INSERT INTO "events" VALUES(231,1795860238.5,'vc-installed','d-DC5AE14ZYZ',1,'installer.failed','machine','{"code": 350, "sentence": "curtin failed", "hint": "see log", "console": []}');
INSERT INTO "events" VALUES(232,1795860240.0,'vc-installed','d-DC5AE47EZP',0,'order.armed','ann','{"by": "ann", "image": "ubuntu@24.04.1", "mac": "52:54:00:77:04:01", "serial": "", "expires": 1795874640.0}');
INSERT INTO "events" VALUES(233,1795860241.5,'vc-installed','d-DC5AE47EZP',0,'slot.given','worker','{}');
INSERT INTO "events" VALUES(234,1795860243.0,'vc-installed','d-DC5AE47EZP',1,'power.began','worker','{"nonce": "sha256:e061f63a4d4b"}');
INSERT INTO "events" VALUES(235,1795860244.5,'vc-installed','d-DC5AE47EZP',1,'seed.served','machine','{"address": "10.77.0.90"}');
INSERT INTO "events" VALUES(236,1795860246.0,'vc-installed','d-DC5AE47EZP',1,'installer.began','machine','{"nonce": "sha256:2e2782af46b0", "phone_hash": "4599f842ad2523edc640c27f3cb849cd84384f81d75eff798c1f516378b126fa"}');
INSERT INTO "events" VALUES(237,1795860247.5,'vc-installed','d-DC5AE47EZP',1,'installer.disk','machine','{"disk": {"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}, "boot_id": "b-i", "serial": "S"}');
INSERT INTO "events" VALUES(238,1795860249.0,'vc-installed','d-DC5AE47EZP',1,'installer.progress','machine','{"phase": "installing packages (SUCCESS)", "origin": "curtin", "failed": "", "unwinds": false}');
INSERT INTO "events" VALUES(239,1795860250.5,'vc-installed','d-DC5AE47EZP',1,'installer.done','machine','{"name": "subiquity/Late/run"}');
INSERT INTO "events" VALUES(240,1795860259.5,'','',0,'dhcp.foreign','dhcp','{"address": "10.77.0.9", "mac": "52:54:00:00:00:09", "interface": "lan0", "offer": "10.77.0.99", "boots": "pxelinux.0", "since": 1795860256.5, "heard": 1795860258.0}');
INSERT INTO "events" VALUES(241,1795860261.0,'','',0,'dhcp.foreign.gone','dhcp','{"address": "10.77.0.9", "mac": "52:54:00:00:00:09", "interface": "lan0", "offer": "10.77.0.99", "boots": "pxelinux.0", "since": 1795860256.5, "heard": 1795860258.0}');
CREATE TABLE "hosts" (
   "name" TEXT PRIMARY KEY,
   "body" TEXT,
   "facts" TEXT,
   "facts_at" REAL
);
INSERT INTO "hosts" VALUES('vault-1','{"name":"vault-1","macs":["52:54:00:77:01:01"],"profile":"lab","bmc":{"driver":"ipmi","address":"10.77.1.1","port":623,"verify":true,"fingerprint":"","mac":null,"secret":"lab","console":""},"serial":"LAB0001","uuid":"","rack":"lab","disk":null,"locked":false}','{"nonce": "sha256:f913dd6c5f9c", "boot_id": "c3713bb7-9594-4c41-8560-2f53bd03ccaf", "mac": "52:54:00:77:01:01", "macs": ["52:54:00:77:01:01"], "serial": "LAB0001", "uuid": "13ee54a1-385d-5a46-9e47-2d608b6126e5", "memory": 1000738816, "version": "0.1.0", "disks": [{"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK1", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "no partition table", "foreign": "", "owner": ""}], "nics": [{"name": "eth0", "mac": "52:54:00:77:01:01", "driver": "virtio_net", "up": true}], "maker": "Provisioner", "product": "Lab", "cpu": "Intel Core i7 9xx (Nehalem Class Core i7)", "cpus": 2, "firmware": "uefi", "devices": [{"id": "1234:1111", "kind": "030000", "place": "0000:00:01.0"}, {"id": "1af4:1005", "kind": "00ff00", "place": "0000:00:02.0"}, {"id": "1af4:1000", "kind": "020000", "place": "0000:00:03.0"}, {"id": "1af4:1001", "kind": "010000", "place": "0000:00:04.0"}, {"id": "1234:11e8", "kind": "00ff00", "place": "0000:00:05.0"}, {"id": "8086:2922", "kind": "010601", "place": "0000:00:1f.2"}, {"id": "8086:2930", "kind": "0c0500", "place": "0000:00:1f.3"}]}',1.79585444706949019432e+09);
INSERT INTO "hosts" VALUES('vault-2','{"name":"vault-2","macs":["52:54:00:77:01:02"],"profile":"lab","bmc":{"driver":"ipmi","address":"10.77.1.3","port":623,"verify":true,"fingerprint":"","mac":null,"secret":"lab","console":""},"serial":"LAB0002","uuid":"","rack":"lab","disk":null,"locked":false}','{"nonce": "sha256:679b2ebc3b46", "boot_id": "56d1a1ab-8295-4878-a4fc-2fc4980d7b00", "mac": "52:54:00:77:01:02", "macs": ["52:54:00:77:01:02"], "serial": "LAB0002", "uuid": "4253b911-e4e6-5e04-9771-49a6c35bd916", "memory": 1000738816, "version": "0.1.0", "disks": [{"name": "vda", "size": 1073741824, "logical_sector": 512, "model": "", "serial": "LABDISK2", "wwn": "", "rotational": true, "by_path": "pci-0000:00:04.0", "content": "no partition table", "foreign": "", "owner": ""}], "nics": [{"name": "eth0", "mac": "52:54:00:77:01:02", "driver": "virtio_net", "up": true}], "maker": "Provisioner", "product": "Lab", "cpu": "Intel Core i7 9xx (Nehalem Class Core i7)", "cpus": 2, "firmware": "uefi", "devices": [{"id": "1234:1111", "kind": "030000", "place": "0000:00:01.0"}, {"id": "1af4:1005", "kind": "00ff00", "place": "0000:00:02.0"}, {"id": "1af4:1000", "kind": "020000", "place": "0000:00:03.0"}, {"id": "1af4:1001", "kind": "010000", "place": "0000:00:04.0"}, {"id": "1234:11e8", "kind": "00ff00", "place": "0000:00:05.0"}, {"id": "8086:2922", "kind": "010601", "place": "0000:00:1f.2"}, {"id": "8086:2930", "kind": "0c0500", "place": "0000:00:1f.3"}]}',1.79585445114491748814e+09);
INSERT INTO "hosts" VALUES('vc-queued','{"name":"vc-queued","macs":["52:54:00:77:02:00","52:54:00:77:02:20"],"profile":"cube","bmc":{"driver":"ipmi","address":"10.77.2.1","port":623,"verify":true,"fingerprint":"","mac":"52:54:00:77:03:00","secret":"rack","console":""},"serial":"CUBE0000","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-powering','{"name":"vc-powering","macs":["52:54:00:77:02:01","52:54:00:77:02:21"],"profile":"cube","bmc":{"driver":"redfish","address":"10.77.2.2","port":443,"verify":true,"fingerprint":"abababababababababababababababababababababababababababababababab","mac":null,"secret":"rack","console":""},"serial":"CUBE0001","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-netbooting','{"name":"vc-netbooting","macs":["52:54:00:77:02:02","52:54:00:77:02:22"],"profile":"cube","bmc":{"driver":"manual","address":null,"port":623,"verify":true,"fingerprint":"","mac":null,"secret":"","console":""},"serial":"CUBE0002","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-writing','{"name":"vc-writing","macs":["52:54:00:77:02:03","52:54:00:77:02:23"],"profile":"cube","bmc":{"driver":"ipmi","address":"10.77.2.4","port":623,"verify":true,"fingerprint":"","mac":"52:54:00:77:03:03","secret":"rack","console":""},"serial":"CUBE0003","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-restarting','{"name":"vc-restarting","macs":["52:54:00:77:02:04","52:54:00:77:02:24"],"profile":"cube","bmc":{"driver":"redfish","address":"10.77.2.5","port":443,"verify":true,"fingerprint":"abababababababababababababababababababababababababababababababab","mac":null,"secret":"rack","console":""},"serial":"CUBE0004","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-verifying','{"name":"vc-verifying","macs":["52:54:00:77:02:05","52:54:00:77:02:25"],"profile":"cube","bmc":{"driver":"manual","address":null,"port":623,"verify":true,"fingerprint":"","mac":null,"secret":"","console":""},"serial":"CUBE0005","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-sealing','{"name":"vc-sealing","macs":["52:54:00:77:02:06","52:54:00:77:02:26"],"profile":"cube","bmc":{"driver":"ipmi","address":"10.77.2.7","port":623,"verify":true,"fingerprint":"","mac":"52:54:00:77:03:06","secret":"rack","console":""},"serial":"CUBE0006","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-ready','{"name":"vc-ready","macs":["52:54:00:77:02:07","52:54:00:77:02:27"],"profile":"cube","bmc":{"driver":"redfish","address":"10.77.2.8","port":443,"verify":true,"fingerprint":"abababababababababababababababababababababababababababababababab","mac":null,"secret":"rack","console":""},"serial":"CUBE0007","uuid":"","rack":"B3","disk":null,"locked":false}','{"nonce": "sha256:44b421b784e0", "boot_id": "b-1", "mac": "52:54:00:77:02:07", "macs": ["52:54:00:77:02:07"], "serial": "CUBE0007", "uuid": "", "memory": 579820584960, "version": "0.1.0", "disks": [{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}], "nics": [], "maker": "", "product": "", "cpu": "", "cpus": 0, "firmware": "", "devices": []}',1795860279.0);
INSERT INTO "hosts" VALUES('vc-rejected','{"name":"vc-rejected","macs":["52:54:00:77:02:08","52:54:00:77:02:28"],"profile":"cube","bmc":{"driver":"manual","address":null,"port":623,"verify":true,"fingerprint":"","mac":null,"secret":"","console":""},"serial":"CUBE0008","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-failed','{"name":"vc-failed","macs":["52:54:00:77:02:09","52:54:00:77:02:29"],"profile":"cube","bmc":{"driver":"ipmi","address":"10.77.2.10","port":623,"verify":true,"fingerprint":"","mac":"52:54:00:77:03:09","secret":"rack","console":""},"serial":"CUBE0009","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-cancelled','{"name":"vc-cancelled","macs":["52:54:00:77:02:0a","52:54:00:77:02:2a"],"profile":"cube","bmc":{"driver":"redfish","address":"10.77.2.11","port":443,"verify":true,"fingerprint":"abababababababababababababababababababababababababababababababab","mac":null,"secret":"rack","console":""},"serial":"CUBE0010","uuid":"","rack":"B3","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-installed','{"name":"vc-installed","macs":["52:54:00:77:04:01"],"profile":"bare","bmc":{"driver":"manual","address":null,"port":623,"verify":true,"fingerprint":"","mac":null,"secret":"","console":""},"serial":"","uuid":"","rack":"","disk":null,"locked":false}',NULL,NULL);
INSERT INTO "hosts" VALUES('vc-locked','{"name":"vc-locked","macs":["52:54:00:77:04:02"],"profile":"cube","bmc":{"driver":"manual","address":null,"port":623,"verify":true,"fingerprint":"","mac":null,"secret":"","console":""},"serial":"","uuid":"","rack":"","disk":{"serial":"S4","wwn":"","model":"","name":"","by_path":"","min_size":0,"max_size":0,"rotational":null},"locked":true}',NULL,NULL);
CREATE TABLE "images" (
   "id" TEXT PRIMARY KEY,
   "body" TEXT
);
INSERT INTO "images" VALUES('rehearsal-os@1.0','{"name":"rehearsal-os","version":"1.0","raw_size":711983104,"raw_sha256":"f384dc41bb7d62a926e66c0bebf19626a0add45dd09b5580cc2f5ecdaff3f42e","pack_size":143529805,"signed_by":"rehearsal","added":1795854416.147855,"kind":"pack"}');
INSERT INTO "images" VALUES('ubuntu@24.04.1','{"name":"ubuntu","version":"24.04.1","raw_size":2773874688,"raw_sha256":"d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6","pack_size":2773874688,"signed_by":"","added":1795860001.5,"kind":"iso"}');
CREATE TABLE "leases" (
   "mac" TEXT PRIMARY KEY,
   "address" TEXT,
   "expires" REAL,
   "bound" INTEGER
);
INSERT INTO "leases" VALUES('52:54:00:77:01:99','10.77.0.128',1.79585804060661268239e+09,1);
INSERT INTO "leases" VALUES('52:54:00:77:01:02','10.77.0.65',1.79585812965713763236e+09,1);
INSERT INTO "leases" VALUES('52:54:00:77:01:01','10.77.0.64',1.79585459415419912334e+09,1);
INSERT INTO "leases" VALUES('ac:1f:6b:00:00:09','10.77.0.131',1795860328.5,0);
CREATE TABLE "macs" (
   "mac" TEXT PRIMARY KEY,
   "host" TEXT,
   "address" TEXT,
   "role" TEXT
);
INSERT INTO "macs" VALUES('52:54:00:77:01:01','vault-1','10.77.0.64','host');
INSERT INTO "macs" VALUES('52:54:00:77:01:02','vault-2','10.77.0.65','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:00','vc-queued','10.77.0.66','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:20','vc-queued','10.77.0.67','host');
INSERT INTO "macs" VALUES('52:54:00:77:03:00','vc-queued','10.77.0.68','bmc');
INSERT INTO "macs" VALUES('52:54:00:77:02:01','vc-powering','10.77.0.69','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:21','vc-powering','10.77.0.70','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:02','vc-netbooting','10.77.0.71','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:22','vc-netbooting','10.77.0.72','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:03','vc-writing','10.77.0.73','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:23','vc-writing','10.77.0.74','host');
INSERT INTO "macs" VALUES('52:54:00:77:03:03','vc-writing','10.77.0.75','bmc');
INSERT INTO "macs" VALUES('52:54:00:77:02:04','vc-restarting','10.77.0.76','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:24','vc-restarting','10.77.0.77','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:05','vc-verifying','10.77.0.78','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:25','vc-verifying','10.77.0.79','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:06','vc-sealing','10.77.0.80','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:26','vc-sealing','10.77.0.81','host');
INSERT INTO "macs" VALUES('52:54:00:77:03:06','vc-sealing','10.77.0.82','bmc');
INSERT INTO "macs" VALUES('52:54:00:77:02:07','vc-ready','10.77.0.83','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:27','vc-ready','10.77.0.84','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:08','vc-rejected','10.77.0.85','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:28','vc-rejected','10.77.0.86','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:09','vc-failed','10.77.0.87','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:29','vc-failed','10.77.0.88','host');
INSERT INTO "macs" VALUES('52:54:00:77:03:09','vc-failed','10.77.0.89','bmc');
INSERT INTO "macs" VALUES('52:54:00:77:02:0a','vc-cancelled','10.77.0.90','host');
INSERT INTO "macs" VALUES('52:54:00:77:02:2a','vc-cancelled','10.77.0.91','host');
INSERT INTO "macs" VALUES('52:54:00:77:04:01','vc-installed','10.77.0.92','host');
INSERT INTO "macs" VALUES('52:54:00:77:04:02','vc-locked','10.77.0.93','host');
CREATE TABLE "profiles" (
   "name" TEXT PRIMARY KEY,
   "body" TEXT
);
INSERT INTO "profiles" VALUES('lab','{"name":"lab","disks":[{"serial":"","wwn":"","model":"","name":"","by_path":"","min_size":0,"max_size":0,"rotational":null}],"nics":[],"gpus":[{"id":"1234:11e8","count":1,"name":"edu","memory_min":0,"link_width":0,"ecc":null}],"gpu_driver":"","memory_min":943718400,"deadlines":{"powering":300,"netbooting":600,"writing":1800,"restarting":900,"verifying":900},"seal":"full","method":"image","autoinstall":null,"image":"rehearsal-os"}');
INSERT INTO "profiles" VALUES('cube','{"name":"cube","disks":[{"serial":"","wwn":"","model":"PM9A3*","name":"","by_path":"","min_size":429496729600,"max_size":0,"rotational":null}],"nics":[],"gpus":[{"id":"10de:2330","count":8,"name":"H100","memory_min":85899345920,"link_width":16,"ecc":true}],"gpu_driver":"580","memory_min":68719476736,"deadlines":{"powering":1200},"seal":"keep-access","method":"image","autoinstall":null,"image":"rehearsal-os"}');
INSERT INTO "profiles" VALUES('bare','{"name":"bare","disks":[{"serial":"","wwn":"","model":"","name":"","by_path":"","min_size":0,"max_size":0,"rotational":null}],"nics":[],"gpus":[],"gpu_driver":"","memory_min":0,"deadlines":{},"seal":"full","method":"autoinstall","autoinstall":{"flavour":"subiquity","iso":"","mirror":"http://10.77.0.1/mirror","packages":["chrony"],"source":"","locale":"C.UTF-8"},"image":"ubuntu"}');
CREATE TABLE "requests" (
   "id" INTEGER PRIMARY KEY,
   "created" REAL,
   "host" TEXT,
   "action" TEXT,
   "argument" TEXT,
   "state" TEXT,
   "result" TEXT
);
INSERT INTO "requests" VALUES(1,1795860262.5,'vc-ready','test','','done','{"state": "on", "boot": "default", "suite": 17, "note": ""}');
INSERT INTO "requests" VALUES(2,1795860264.0,'vc-ready','power','reset','done','{"state": "on", "confirmed": true, "note": ""}');
INSERT INTO "requests" VALUES(3,1795860265.5,'vc-ready','boot','disk','done','{"error": {"message": "the BMC does not answer", "hint": "look", "code": 203, "exit": 5}}');
INSERT INTO "requests" VALUES(4,1795860267.0,'vc-ready','power','on','open','{}');
CREATE TABLE "runs" (
   "id" TEXT PRIMARY KEY,
   "created" REAL,
   "body" TEXT
);
INSERT INTO "runs" VALUES('r-DC590MB3A9',1.79585441743438434603e+09,'{"id":"r-DC590MB3A9","created":1795854417.4343843,"by":"root","select":"","max_parallel":2,"stop_after":0,"until":"","terms":{"write_mode":"delta","erase_foreign":false,"allow_downgrade":false}}');
INSERT INTO "runs" VALUES('r-DC59GOLDEN',1795860003.0,'{"id":"r-DC59GOLDEN","created":1795860003.0,"by":"ann","select":"rack=B3","max_parallel":4,"stop_after":2,"until":"","terms":{"write_mode":"full","erase_foreign":false,"allow_downgrade":true}}');
CREATE TABLE "service" (
   "key" TEXT PRIMARY KEY,
   "value" TEXT
);
INSERT INTO "service" VALUES('dhcp.deaf','[]');
INSERT INTO "service" VALUES('dhcp.servers','[{"address": "10.77.0.9", "mac": "52:54:00:00:00:09", "interface": "lan0", "offer": "10.77.0.99", "boots": "pxelinux.0", "since": 1795860256.5, "heard": 1795860258.0}]');
CREATE TABLE "sightings" (
   "mac" TEXT PRIMARY KEY,
   "first_seen" REAL,
   "last_seen" REAL,
   "count" INTEGER,
   "address" TEXT,
   "data" TEXT
);
INSERT INTO "sightings" VALUES('52:54:00:77:01:99',1.79585442050917840008e+09,1.79585444060661268239e+09,8,'10.77.0.128','{"mac": "52:54:00:77:01:99", "message": "request", "when": 1795854440.6066127, "arch": 7, "vendor_class": "PXEClient:Arch:00007:UNDI:003010", "user_class": "iPXE", "uuid": "1b229630-9155-53bb-91f9-a39e5eafbbf0", "undi": "1.3.10", "relay": "", "relay_info": "", "circuit": "", "remote": "", "hostname": "", "ip": "10.77.0.128", "boots": true, "note": ""}');
INSERT INTO "sightings" VALUES('52:54:00:77:01:01',1.79585442529834294319e+09,1.79585459415419912334e+09,9,'10.77.0.64','{"mac":"52:54:00:77:01:01","message":"request","when":1795854431.246688,"arch":7,"vendor_class":"PXEClient:Arch:00007:UNDI:003010","user_class":"iPXE","uuid":"13ee54a1-385d-5a46-9e47-2d608b6126e5","undi":"1.3.10","relay":"","relay_info":"","circuit":"","remote":"","hostname":"","ip":"10.77.0.64","boots":true,"note":""}');
INSERT INTO "sightings" VALUES('52:54:00:77:01:02',1.79585442646715140336e+09,1.79585452965713763236e+09,8,'10.77.0.65','{"mac":"52:54:00:77:01:02","message":"request","when":1795854432.4393914,"arch":7,"vendor_class":"PXEClient:Arch:00007:UNDI:003010","user_class":"iPXE","uuid":"4253b911-e4e6-5e04-9771-49a6c35bd916","undi":"1.3.10","relay":"","relay_info":"","circuit":"","remote":"","hostname":"vault-2","ip":"10.77.0.65","boots":true,"note":""}');
INSERT INTO "sightings" VALUES('ac:1f:6b:00:00:09',1795860252.0,1795860255.0,6,'10.77.0.131','{"mac":"ac:1f:6b:00:00:09","message":"discover","when":1795860252.0,"arch":11,"vendor_class":"","user_class":"","uuid":"6a1d2c3e-0000-4000-8000-0123456789ff","undi":"","relay":"","relay_info":"","circuit":"","remote":"","hostname":"ubuntu","ip":"10.77.0.131","boots":true,"note":"there is no boot file for architecture 11"}');
INSERT INTO "sightings" VALUES('ac:1f:6b:00:00:0a',1795860253.5,1795860253.5,3,'10.79.0.5','{"mac": "ac:1f:6b:00:00:0a", "message": "discover", "when": 1795860253.5, "arch": null, "vendor_class": "", "user_class": "", "uuid": "", "undi": "", "relay": "10.79.0.1", "relay_info": "0104", "circuit": "eth7", "remote": "", "hostname": "", "ip": "10.79.0.5", "boots": false, "note": ""}');
CREATE TABLE "surveys" (
   "mac" TEXT PRIMARY KEY,
   "uuid" TEXT,
   "macs" TEXT,
   "address" TEXT,
   "served" REAL,
   "released" REAL,
   "reported" REAL,
   "body" TEXT
);
INSERT INTO "surveys" VALUES('ac:1f:6b:00:00:09','6a1d2c3e-0000-4000-8000-0123456789ff','ac:1f:6b:00:00:09','10.77.0.131',1795860273.0,1795860274.5,1795860276.0,'{"mac": "ac:1f:6b:00:00:09", "macs": ["ac:1f:6b:00:00:09"], "serial": "S9", "uuid": "6a1d2c3e-0000-4000-8000-0123456789ff", "memory": 68719476736, "version": "0.1.0", "disks": [{"name": "nvme0n1", "size": 480103981056, "logical_sector": 512, "model": "PM9A3", "serial": "S1", "wwn": "eui.0025385", "rotational": false, "by_path": "pci-0000:01:00.0-nvme-1", "content": "holds rehearsal-os 0.9", "foreign": "", "owner": "vc-old"}], "nics": [{"name": "eth0", "mac": "ac:1f:6b:00:00:09", "driver": "ice", "up": true}], "maker": "Acme", "product": "Cube", "cpu": "EPYC", "cpus": 128, "firmware": "uefi", "devices": [{"id": "10de:2330", "kind": "030200", "place": "0000:17:00.0"}]}');
INSERT INTO "surveys" VALUES('ac:1f:6b:00:00:0c','','','10.77.0.133',1795860277.5,0.0,0.0,'');
CREATE TABLE "transfers" (
   "address" TEXT PRIMARY KEY,
   "time" REAL,
   "count" INTEGER,
   "name" TEXT,
   "result" TEXT,
   "bytes" INTEGER
);
INSERT INTO "transfers" VALUES('10.77.0.128',1.79585442442107534404e+09,1,'snponly.efi','done',173792);
INSERT INTO "transfers" VALUES('10.77.0.64',1.79585442921065258983e+09,1,'snponly.efi','done',173792);
INSERT INTO "transfers" VALUES('10.77.0.65',1.79585443035946798321e+09,1,'snponly.efi','done',173792);
INSERT INTO "transfers" VALUES('10.77.0.131',1795860270.0,4,'pxelinux.0','refused: no such file',0);
INSERT INTO "transfers" VALUES('10.77.0.132',1795860271.5,1,'snponly.efi','aborted: timed out',65536);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX "idx_macs_address"
    ON "macs" ("address");
CREATE INDEX "idx_deployments_host_stage"
    ON "deployments" ("host", "stage");
CREATE INDEX "idx_events_deployment"
    ON "events" ("deployment");
CREATE UNIQUE INDEX one_under_way ON deployments(host) WHERE stage NOT IN ('cancelled', 'failed', 'ready', 'rejected');
CREATE INDEX "idx_deployments_run"
    ON "deployments" ("run");
COMMIT;
PRAGMA user_version=6;
