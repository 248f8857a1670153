// How often Python is asked while a pointer is held down.

import assert from "node:assert/strict";
import test from "node:test";
import { paced } from "../../course/widgets/dom.mjs";

const PAUSE = 30;

// The times of calls, with a clock that the test moves.
function watched(t) {
  let now = 1000;
  const times = [];
  t.mock.method(performance, "now", () => now);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const requests = paced(() => times.push(now), PAUSE);
  const wait = (ms) => {
    for (let step = 0; step < ms; step++) {
      now += 1;
      t.mock.timers.tick(1);
    }
  };
  return { times, requests, wait };
}

test("without a pointer every request goes at once", (t) => {
  const { times, requests, wait } = watched(t);
  for (let n = 0; n < 3; n++) {
    requests.go();
    wait(5);
  }
  assert.deepEqual(times, [1000, 1005, 1010]);
});

test("while a pointer is held: the first at once, then one a pause, the last of all for the newest", (t) => {
  const { times, requests, wait } = watched(t);
  requests.press();
  for (let n = 0; n < 9; n++) {
    requests.go();
    wait(10);
  }
  wait(1000);
  assert.deepEqual(times, [1000, 1030, 1060, 1090]);
});

test("letting go sends what waits, once, and nothing where nothing waits", (t) => {
  const { times, requests, wait } = watched(t);
  requests.press();
  requests.go();
  wait(10);
  requests.go();
  requests.release();
  assert.deepEqual(times, [1000, 1010]);
  requests.release();
  wait(1000);
  assert.deepEqual(times, [1000, 1010]);
});

test("a view that is gone asks for nothing", (t) => {
  const { times, requests, wait } = watched(t);
  requests.press();
  requests.go();
  requests.go();
  requests.stop();
  wait(1000);
  assert.deepEqual(times, [1000]);
});
