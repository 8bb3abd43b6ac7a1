// Node's EventEmitter, as far as @vscode/debugadapter uses it: listeners by name, called in the order in which they were added.

export class EventEmitter {
  #listeners = new Map();

  on(name, listener) {
    this.#listeners.set(name, [...this.#listeners.get(name) ?? [], listener]);
    return this;
  }

  off(name, listener) {
    this.#listeners.set(name, (this.#listeners.get(name) ?? []).filter((each) => each !== listener));
    return this;
  }

  emit(name, ...values) {
    const listeners = this.#listeners.get(name) ?? [];
    for (const listener of listeners) listener.apply(this, values);
    return listeners.length > 0;
  }
}
