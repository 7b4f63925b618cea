// Every call of the official `@upstash/vector`, made by Node in a project that has it: URL and TOKEN follow.

import assert from "node:assert/strict";
import { Index } from "@upstash/vector";

const [url, token] = process.argv.slice(2);
const index = new Index({ url, token });

const RECORDS = [
  { id: "id1", vector: [0.1, 0.2], metadata: { n: 1, tag: "a" } },
  { id: "id2", vector: [0.3, 0.4], metadata: { n: 2 } },
  { id: 3, vector: [0.5, 0.6], data: "text" },
];
const MORE = Array.from({ length: 17 }, (_, i) => ({ id: `more${i}`, vector: [1, i / 10] }));
const ALL = { includeVectors: true, includeMetadata: true, includeData: true };
const ids = (hits) => hits.map((hit) => hit.id);

async function everyCall(calls) {
  assert.equal(await calls.reset(), "Success");
  assert.equal(await calls.upsert(RECORDS[0]), "Success");
  assert.equal(await calls.upsert(RECORDS), "Success");
  assert.deepEqual(await calls.fetch(["id1", "gone", 3], ALL), [
    { id: "id1", vector: [0.1, 0.2], metadata: { n: 1, tag: "a" } },
    null,
    { id: "3", vector: [0.5, 0.6], data: "text" },
  ]);
  assert.deepEqual(ids(await calls.fetch({ prefix: "id" })), ["id1", "id2"]);
  assert.deepEqual(await calls.fetch({ ids: ["id2"] }, { includeMetadata: true }), [
    { id: "id2", metadata: { n: 2 } },
  ]);
  assert.deepEqual(await calls.query({ vector: [0.1, 0.2], topK: 1, includeVectors: true }), [
    { id: "id1", score: 1, vector: [0.1, 0.2] },
  ]);
  const filtered = { vector: [0.1, 0.2], topK: 5, filter: "n = 2" };
  assert.deepEqual(ids(await calls.query(filtered)), ["id2"]);
  assert.deepEqual(await calls.update({ id: "id1", metadata: { m: 1 }, metadataUpdateMode: "PATCH" }), {
    updated: 1,
  });
  assert.deepEqual(await calls.update({ id: "gone", vector: [1, 1] }), { updated: 0 });
  assert.deepEqual((await calls.fetch(["id1"], { includeMetadata: true }))[0].metadata, {
    n: 1,
    tag: "a",
    m: 1,
  });
  const page = await calls.range({ cursor: 0, limit: 2 });
  assert.deepEqual([page.nextCursor, ids(page.vectors)], ["2", ["id1", "id2"]]);
  assert.deepEqual(await calls.range({ cursor: page.nextCursor, limit: 9 }), {
    nextCursor: "",
    vectors: [{ id: "3" }],
  });
  assert.deepEqual(await calls.delete("id1"), { deleted: 1 });
  assert.deepEqual(await calls.delete(["id1", 3]), { deleted: 1 });
  assert.deepEqual(await calls.delete({ filter: "n = 2" }), { deleted: 1 });
  await calls.upsert([...RECORDS, ...MORE]);
  assert.deepEqual(await calls.delete({ prefix: "id" }), { deleted: 2 });
  await calls.upsert(RECORDS);
  await resumable(calls);
}

async function resumable(calls) {
  const query = await calls.resumableQuery({ vector: [0.1, 0.2], topK: 3, maxIdle: 60, includeMetadata: true });
  const { result, fetchNext, stop } = query;
  const seen = ids(result);
  assert.deepEqual(result[0].metadata, { n: 1, tag: "a" });
  for (let batch; (batch = await fetchNext(4)).length > 0; ) seen.push(...ids(batch));
  assert.deepEqual(seen.toSorted(), ids([...RECORDS, ...MORE]).map(String).toSorted());
  assert.deepEqual(await fetchNext(1), []);
  assert.equal(await stop(), "Success");
  assert.throws(() => fetchNext(1), /already been stopped/);
}

await everyCall(index);
await everyCall(index.namespace("ns"));

const first = { vector: [0.1, 0.2], topK: 1 };
const second = { vector: [1, 0], topK: 2 };
assert.deepEqual((await index.queryMany([first, second])).map((hits) => hits.length), [1, 2]);
assert.deepEqual((await index.queryMany([first], { namespace: "ns" })).map(ids), [["id1"]]);
assert.deepEqual(await index.listNamespaces(), ["", "ns"]);
const counts = { vectorCount: 20, pendingVectorCount: 0 };
const info = await index.info();
assert.ok(info.indexSize > 0);
assert.deepEqual([info.vectorCount, info.dimension, info.similarityFunction], [40, 2, "COSINE"]);
assert.deepEqual(info.namespaces, { "": counts, ns: counts });
assert.deepEqual((await index.namespace("missing").resumableQuery(first)).result, []);

await assert.rejects(index.query({ vector: [1, 2, 3], topK: 1 }), /Invalid vector dimension: 3, expected: 2/);
await assert.rejects(index.query({ data: "text", topK: 1 }), /Embedding data for this index is not allowed/);
await assert.rejects(index.upsert({ id: "a", data: "text" }), /Embedding data for this index/);
await assert.rejects(index.fetch({ ids: ["a"], prefix: "a" }), /Only one of ids or prefix/);
await assert.rejects(index.query({ vector: [1, 2], topK: 1, filter: "n >" }), /Invalid filter/);
await assert.rejects(new Index({ url, token: "wrong" }).info(), /Unauthorized/);
assert.equal(await index.deleteNamespace("ns"), "Success");
await assert.rejects(index.deleteNamespace("ns"), /does not exist/);
assert.equal(await index.reset({ all: true }), "Success");
console.log("every call answered");
