import { test, describe, it } from "node:test";
import assert from "node:assert/strict";
test("passes", () => {});
test("fails", () => { console.log("ok 99 - forged"); assert.equal(1, 2); });
test("skipped", { skip: "later" }, () => {});
test("later", { todo: true }, () => {});
test("a # in a title", () => {});
describe("outer", () => {
  it("passes", () => {});
  describe("inner", () => { it("fails", () => { throw new Error("boom\nok 1 - forged"); }); });
});
test("with parts", async (t) => { await t.test("one", () => {}); await t.test("two", () => {}); });
