// Stands for Node's net, fs and path in the web bundle: @vscode/debugadapter imports them for its TCP server and its log file, which the
// extension does not use.
export {};
