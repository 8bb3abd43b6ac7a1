// The one HTML page of the web host: the build's own workbench.html with its placeholders filled in and the window's configuration.

import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Settings of a window that shows the debugger and nothing else: no welcome page, accounts, chat or telemetry. */
const quietWindow = {
  'workbench.startupEditor': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'window.menuBarVisibility': 'compact',
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'editor.minimap.enabled': false,
  'debug.internalConsoleOptions': 'openOnSessionStart',
  'workbench.colorTheme': 'Default Dark Modern',
};

/** Fills in the page for the host name the browser used. The build brings its own built-in extensions; ours is added to them. */
export async function workbenchPage({ build, host, settings, folderName }) {
  const location = (folder) => ({ scheme: 'http', authority: host, path: folder });
  const configuration = {
    additionalBuiltinExtensions: ['/static/extension', '/static/provider'].map(location),
    folderUri: { $mid: 1, scheme: 'abyme-folder', authority: 'workspace', path: `/${folderName}` },
    enableWorkspaceTrust: false,
    serverBasePath: '/',
    userDataPath: '/User',
    webviewEndpoint: 'static/build/out/vs/workbench/contrib/webview/browser/pre',
    isEnabledFileDownloads: false,
    isEnabledFileUploads: false,
    isEnabledCoderGettingStarted: false,
    configurationDefaults: { ...quietWindow, ...settings },
    productConfiguration: {
      nameShort: 'VS Code for the Web',
      nameLong: 'VS Code for the Web',
      enableTelemetry: false,
      extensionsGallery: undefined,
      rootEndpoint: '.',
      webEndpointUrlTemplate: `http://${host}/static/build`,
      webviewContentExternalBaseUrlTemplate: `http://{{uuid}}.${host}/static/build/out/vs/workbench/contrib/webview/browser/pre/`,
    },
    developmentOptions: { logLevel: 3 },
  };
  const attribute = (value) => JSON.stringify(value).replace(/&/g, '&amp;').replace(/"/g, '&quot;');
  const values = {
    WORKBENCH_WEB_CONFIGURATION: attribute(configuration),
    WORKBENCH_WEB_BASE_URL: 'static/build',
    WORKBENCH_AUTH_SESSION: '',
    WORKBENCH_SCRIPT_NONCE: 'local',
    WORKBENCH_NLS_FALLBACK_URL: 'static/build/out/nls.messages.js',
    WORKBENCH_NLS_URL: 'static/build/out/nls.messages.js',
    BASE: '.',
    VS_BASE: '.',
  };
  const page = await readFile(path.join(build, 'out/vs/code/browser/workbench/workbench.html'), 'utf8');
  return page.replace(/\{\{([^}]+)\}\}/g, (_, name) => values[name] ?? '');
}
