// Keeps the conversation in this browser, and no more of it than stated here.

const maximumTurns = 200;
const maximumBytes = 200e6;

const opened = new Promise((resolve) => {
  const request = indexedDB.open("varlite", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("turns", { keyPath: "id" });
  request.onsuccess = () => resolve(request.result);
  // A browser that keeps nothing still draws.
  request.onerror = () => resolve(null);
});

async function inStore(mode, use) {
  const database = await opened;
  if (!database) return undefined;
  return new Promise((resolve) => {
    const transaction = database.transaction("turns", mode);
    const request = use(transaction.objectStore("turns"));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => resolve(undefined);
  });
}

/** All turns, the oldest first. */
export async function turns() {
  return (await inStore("readonly", (store) => store.getAll())) ?? [];
}

export function save(turn) {
  return inStore("readwrite", (store) => store.put(turn));
}

export function remove(turn) {
  return inStore("readwrite", (store) => store.delete(turn.id));
}

export function clear() {
  return inStore("readwrite", (store) => store.clear());
}

/** The oldest turns that are too many. */
export function surplus(turns) {
  let [count, bytes] = [0, 0];
  const kept = turns.toReversed().findIndex((turn) => {
    count += 1;
    bytes += size(turn);
    return count > maximumTurns || bytes > maximumBytes;
  });
  return kept < 0 ? [] : turns.slice(0, turns.length - kept);
}

function size(turn) {
  const blobs = [...turn.pictures, turn.picture, ...turn.scales.map((scale) => scale.picture)];
  return blobs.reduce((sum, blob) => sum + (blob?.size ?? 0), 0);
}

const defaults = { key: "", model: "", size: "", seed: "" };

/** What was chosen in the settings. */
export function settings() {
  try {
    return { ...defaults, ...JSON.parse(localStorage.getItem("varlite") ?? "{}") };
  } catch {
    return { ...defaults };
  }
}

export function saveSettings(settings) {
  try {
    localStorage.setItem("varlite", JSON.stringify(settings));
  } catch {
    // They hold until the page is left.
  }
}
