// Sparse, hybrid and text calls of the official `@upstash/vector`: URL of the server, three TOKENs follow.

import assert from "node:assert/strict";
import { FusionAlgorithm, Index, QueryMode, WeightingStrategy } from "@upstash/vector";

const [url, ...tokens] = process.argv.slice(2);
const [sparse, hybrid, text] = ["sparse", "hybrid", "text"].map(
  (name, i) => new Index({ url: `${url}/${name}`, token: tokens[i] }),
);
const [IDF, DBSF] = [WeightingStrategy.IDF, FusionAlgorithm.DBSF];
const ALL = { includeVectors: true, includeMetadata: true, includeData: true };
const ids = (hits) => hits.map((hit) => hit.id);
const halves = (indices, values) => ({ sparseVector: { indices, values } });

const SIDES = [
  { id: "id0", vector: [0.1, 0.2], ...halves([0, 1], [0.1, 0.2]) },
  { id: "id1", vector: [0.2, 0.3], ...halves([1, 2], [0.2, 0.3]), metadata: { key: "value" } },
  { id: "id2", vector: [0.3, 0.4], ...halves([2, 3], [0.3, 0.4]), metadata: { key: "value" }, data: "data" },
];

async function sparseCalls(calls) {
  assert.equal(await calls.upsert(SIDES.map(({ vector, ...record }) => record)), "Success");
  const first = { ...halves([0, 1], [0.1, 0.2]), weightingStrategy: IDF, fusionAlgorithm: DBSF };
  assert.deepEqual(await calls.query({ ...first, topK: 5, includeVectors: true }), [
    { id: "id0", score: 0.028608438, ...halves([0, 1], [0.1, 0.2]) },
    { id: "id1", score: 0.018800145, ...halves([1, 2], [0.2, 0.3]) },
  ]);
  const { result, fetchNext, stop } = await calls.resumableQuery({ ...first, topK: 1, maxIdle: 60 });
  assert.deepEqual([ids(result), ids(await fetchNext(5)), await fetchNext(5)], [["id0"], ["id1"], []]);
  assert.equal(await stop(), "Success");
  const unsorted = { id: "id2", ...halves([9, -9, 9], [0.5, 0.25, 1]) };
  assert.deepEqual(await calls.update(unsorted), { updated: 1 });
  assert.deepEqual(await calls.fetch(["id2"], ALL), [{ ...SIDES[2], ...unsorted, vector: undefined }].map(plain));
  assert.deepEqual(ids(await calls.query({ ...halves([-9], [1]), topK: 5 })), ["id2"]);
}

async function hybridCalls(calls) {
  assert.equal(await calls.upsert(SIDES), "Success");
  const scored = (hits) => hits.map((hit) => [hit.id, hit.score]);
  const both = { vector: [0.1, 0.1], ...halves([3, 4], [0.1, 0.2]), topK: 1 };
  assert.deepEqual(scored(await calls.query(both)), [["id2", 0.033333335]]);
  const many = [
    { vector: [0.5, 0.1], ...halves([0, 1], [0.5, 0.1]), topK: 1 },
    { vector: [0.1, 0.1], topK: 1 },
    { ...halves([2, 3], [0.5, 0.5]), topK: 1, weightingStrategy: IDF, fusionAlgorithm: DBSF },
  ];
  assert.deepEqual((await queryMany(calls, many)).map(scored), [
    [["id0", 0.032795697]],
    [["id2", 0.9949748]],
    [["id2", 0.26666638]],
  ]);
  const start = { vector: [0.1, 0.1], ...halves([0], [0.1]), topK: 2, weightingStrategy: IDF };
  const query = await calls.resumableQuery({ ...start, fusionAlgorithm: DBSF, maxIdle: 60 });
  assert.deepEqual(scored(query.result), [["id2", 0.617851], ["id0", 0.5]]);
  assert.deepEqual(scored(await query.fetchNext(1)), [["id1", 0.5]]);
  assert.deepEqual(await query.fetchNext(1), []);
  await query.stop();
  assert.deepEqual((await calls.range({ cursor: 0, limit: 3, ...ALL })).vectors, SIDES);
}

// `queryMany` is a call of the index, which takes the namespace as an option.
function queryMany(calls, queries) {
  return calls === hybrid ? hybrid.queryMany(queries) : hybrid.queryMany(queries, { namespace: "ns" });
}

const TEXTS = [
  { id: "paris", data: "The capital of France is Paris", metadata: { continent: "EU" } },
  { id: "tokyo", data: "The capital of Japan is Tokyo", metadata: { continent: "AS" } },
  { id: "lima", data: "Lima lies by the sea", metadata: { continent: "SA" } },
];

async function textCalls(calls) {
  assert.equal(await calls.upsert(TEXTS), "Success");
  const asked = { data: TEXTS[1].data, topK: 3 };
  assert.deepEqual(await calls.query({ ...asked, queryMode: QueryMode.DENSE, topK: 1, includeData: true }), [
    { id: "tokyo", score: 1, data: TEXTS[1].data },
  ]);
  const words = { data: "by the sea", topK: 3, queryMode: QueryMode.SPARSE, weightingStrategy: IDF };
  assert.deepEqual(ids(await calls.query(words)), ["lima"]);
  assert.equal(ids(await calls.query({ data: "What is the capital of France?", topK: 1 }))[0], "paris");
  assert.deepEqual(ids(await calls.query({ ...asked, filter: "continent = 'EU'" })), ["paris"]);
  const { result, fetchNext, stop } = await calls.resumableQuery({ ...asked, topK: 1, maxIdle: 60, ...ALL });
  assert.deepEqual([ids(result), result[0].metadata], [["tokyo"], TEXTS[1].metadata]);
  assert.deepEqual(ids(await fetchNext(5)).toSorted(), ["lima", "paris"]);
  assert.deepEqual(await fetchNext(5), []);
  await stop();
  const [before] = await calls.fetch(["lima"], { includeVectors: true });
  assert.deepEqual(await calls.update({ id: "lima", data: "Quito lies high" }), { updated: 1 });
  const [after] = await calls.fetch(["lima"], ALL);
  assert.notDeepEqual(after.vector, before.vector);
  assert.deepEqual([after.data, after.metadata], ["Quito lies high", TEXTS[2].metadata]);
}

function plain(record) {
  return JSON.parse(JSON.stringify(record));
}

for (const [index, calls] of [[sparse, sparseCalls], [hybrid, hybridCalls], [text, textCalls]]) {
  await calls(index);
  await calls(index.namespace("ns"));
}
const kinds = await Promise.all([sparse, hybrid, text].map((index) => index.info()));
assert.deepEqual(kinds.map((info) => info.indexType), ["SPARSE", "HYBRID", "HYBRID"]);
assert.deepEqual([kinds[0].dimension, kinds[0].denseIndex, kinds[1].dimension], [0, undefined, 2]);
assert.deepEqual(kinds[2].sparseIndex, { embeddingModel: "BM25" });
await assert.rejects(sparse.upsert({ id: "x", vector: [1, 2] }), /This index requires sparse vectors/);
await assert.rejects(hybrid.upsert({ id: "x", vector: [1, 2] }), /This index requires sparse vectors/);
await assert.rejects(text.upsert([{ id: "x", data: "a text" }, { id: "y", vector: [1, 2] }]), /requires/);
await assert.rejects(text.upsert({ id: "x" }), /Missing or wrong input/);
console.log("every call answered");
