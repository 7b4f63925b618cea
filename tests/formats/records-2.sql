-- A store of format version 2, as that version made it.
PRAGMA application_id = 0x636C6577;
PRAGMA user_version = 2;
CREATE TABLE state (
    seq INTEGER NOT NULL, next_row INTEGER NOT NULL,
    type TEXT NOT NULL, dimension INTEGER, metric TEXT NOT NULL,
    embedding_model TEXT NOT NULL DEFAULT '', sparse_embedding_model TEXT NOT NULL DEFAULT '');
CREATE TABLE namespaces (
    namespace INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, next_position INTEGER NOT NULL,
    purged_seq INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
    row INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, position INTEGER NOT NULL,
    created_seq INTEGER NOT NULL, deleted_seq INTEGER, id TEXT NOT NULL, metadata TEXT, data TEXT);
CREATE INDEX records_by_position ON records (namespace, position);
CREATE INDEX records_by_id ON records (namespace, id);
CREATE INDEX records_removed ON records (namespace, deleted_seq) WHERE deleted_seq IS NOT NULL;
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
INSERT INTO namespaces (name, next_position) VALUES ('', 0);
INSERT INTO state VALUES (3, 4, 'DENSE', 2, 'COSINE', '', '');
UPDATE namespaces SET next_position = 2;
INSERT INTO records VALUES (1, 1, 0, 1, NULL, 'a', '{"x":1}', NULL);
INSERT INTO records VALUES (2, 1, 1, 2, 3, 'b', NULL, NULL);
INSERT INTO records VALUES (3, 1, 1, 3, NULL, 'b', NULL, 'text');
INSERT INTO vectors VALUES (1, x'0000803f00000000');
INSERT INTO vectors VALUES (2, x'000000000000803f');
INSERT INTO vectors VALUES (3, x'0000803f0000803f');
