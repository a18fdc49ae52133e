// What every script of the official client needs: answers, events and states as promises, and bytes.

export const asked = (push) =>
  new Promise((resolve, reject) => {
    push
      .receive("ok", (response) => resolve(["ok", response]))
      .receive("error", (response) => resolve(["error", response]))
      .receive("timeout", () => reject(new Error("timeout")));
  });

export const once = (channel, event) =>
  new Promise((resolve) => {
    const ref = channel.on(event, (payload) => {
      channel.off(event, ref);
      resolve(payload);
    });
  });

export const happened = (subscribe) => new Promise((resolve) => subscribe(resolve));

export const until = (true_) =>
  new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`waited in vain for ${true_}`)), 15000);
    const look = () => (true_() ? (clearTimeout(late), resolve()) : setTimeout(look, 5));
    look();
  });

export const state = async (channel, wanted) => {
  await until(() => channel.state === wanted);
  return wanted;
};

export const bytes = (buffer) => Array.from(new Uint8Array(buffer));
export const sent = (...numbers) => new Uint8Array(numbers).buffer;
export const quick = { reconnectAfterMs: () => 20, rejoinAfterMs: () => 20 };
