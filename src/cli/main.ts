// The command `abyme`: picks the command by its first word. Each command returns its exit code; a mistake of the user is one line on
// standard error and code 2.
import './branch-hints';
import { dapCommand } from './dap';
import { RequestError } from './dap-client';
import { modelCommand, traceCommand } from './model';
import { runCommand } from './run';
import { startCommand } from './start';
import { UsageError } from './options';
import { UserError } from '../debug-adapter/user-errors';

const usage = `abyme: a debugger for nested hypervisors

  abyme start [--json] [--hypervisors N] [--strategy S]
                                            boots the demonstration stack and prints what the editor shows at the first stop
  abyme dap [--port PORT]                   the debug adapter on standard input and output, or on a TCP port of this machine
  abyme run IMAGE [--append TEXT] [--initrd FILE[,TEXT]]... [--memory MIB] [--processors N]
                                            boots an image; its serial port is standard output, port 0xF4 gives the exit code
  abyme model [--levels N] [--strategy S] [--operations R] [--json]
                                            exits for one exit of the guest against the number of hypervisors
  abyme model --measure [--levels N] [--strategy S] [--json]
                                            the same, predicted from the hypervisor's own operations, beside what its stacks need
  abyme trace [--start] [--levels N] [--strategy S] [--operations R] [--format text|json|dot]
                                            the world switches of one exit of the guest, or of hypervisors that start, as the model predicts them
  abyme help
`;

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  dap: dapCommand, run: runCommand, start: startCommand, model: modelCommand, trace: traceCommand,
  help: async () => { process.stdout.write(usage); return 0; },
};

async function main([name = 'help', ...args]: readonly string[]): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : name === '--help' || name === '-h' ? commands.help : undefined;
  if (!command) throw new UsageError(`There is no command ${name}.\n\n${usage}`);
  return command(args);
}

// whoever reads the output may have seen enough of it
process.stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code === 'EPIPE') process.exit(0); else throw error; });

main(process.argv.slice(2)).then(code => { process.exitCode = code; }, (error: unknown) => {
  const isMistake = error instanceof UsageError || error instanceof UserError || error instanceof RequestError;
  process.stderr.write(`abyme: ${isMistake ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = isMistake ? 2 : 70;
});
