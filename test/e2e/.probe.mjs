import { startWebHost } from '/work/main/tools/web-host/server.mjs';
import { openPage } from './browser.mjs'; import { Workbench } from './workbench.mjs';
const host = await startWebHost({ build:'/work/main/build/vscode-web/4.139.1', extension:'/work/main', folder:'/tmp/wsx/workspace', writable:true });
const b = await openPage(host.url); const w = new Workbench(b.page);
await w.ready(); await w.press('F5'); await b.page.waitForTimeout(8000);
console.log(await w.threadsAndFrames(), await w.messages(), await w.stoppedLine()); await w.screenshot('/tmp/p1.png');
await w.press('F10'); await b.page.waitForTimeout(1500); console.log(await w.threadsAndFrames(), await w.stoppedLine()); await w.press('F5'); await b.page.waitForTimeout(5000); console.log(await w.threadsAndFrames(), await w.stoppedLine()); await w.screenshot('/tmp/p2.png');
console.log(b.problems.filter(x=>/static/.test(x)), b.console.filter(x=>/onig|textmate|token|grammar/i.test(x))); console.log(b.console.filter(x=>/abyme|ERR/i.test(x)).slice(0,10)); await b.close(); await host.close();
