// Progress of a long boot: between the launch and the first stop the client is told, if it can show it, that the machine runs and which levels it has
// started. Short boots show nothing. Cancelling pauses the machine.
import type { DebugProtocol } from '@vscode/debugprotocol';

export interface ProgressSurroundings {
  send(event: DebugProtocol.Event): void;
  /** What to say, asked while the machine runs. */
  message(): Promise<string>;
  pause(): Promise<void>;
}

const shownAfterMs = 800, toldEveryMs = 500;

export class BootProgress {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private id: string | undefined;
  private count = 0;

  constructor(private readonly surroundings: ProgressSurroundings) {}

  /** The machine starts to run for the first time. */
  begin(): void {
    this.end();
    const id = `boot-${++this.count}`;
    this.timer = setTimeout(() => {
      this.id = id;
      this.send('progressStart', { progressId: id, title: 'Booting', cancellable: true, message: 'The machine runs until the first stop' });
      this.tellLater(id);
    }, shownAfterMs);
  }

  /** It stopped, or there is no machine any more. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.id !== undefined) this.send('progressEnd', { progressId: this.id });
    this.id = undefined;
  }

  /** Whether the id was that of a boot; then the machine is paused. */
  async cancel(progressId: string): Promise<boolean> {
    if (progressId !== this.id) return false;
    this.end();
    await this.surroundings.pause();
    return true;
  }

  private tellLater(id: string): void {
    this.timer = setTimeout(() => {
      this.surroundings.message().then(message => { if (this.id === id) this.send('progressUpdate', { progressId: id, message }); }, () => undefined)
        .finally(() => { if (this.id === id) this.tellLater(id); });
    }, toldEveryMs);
  }

  private send(event: string, body: object): void { this.surroundings.send({ type: 'event', seq: 0, event, body }); }
}
