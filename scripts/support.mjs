// What is known not to work on the runtimes that are not Node. The test on the runtimes fails when more fails, and
// when something listed here works after all.

/**
 * By kind of runtime:
 * - `drives`: those it has; Node has all;
 * - `unavailable`: why, by name of the backend whose `probe()` says so;
 * - `failures`: `title` is the beginning of a case's, or `error` a part of any case's message; `sometimes` says that it
 *   may also pass; `upstream` is where the runtime's authors discuss it.
 */
export const SUPPORT = {
  node: { unavailable: {}, failures: [] },
  deno: {
    drives: ['thread'],
    unavailable: { libuv: 'Deno exports no libuv' },
    failures: [
      {
        error: 'descriptors left open',
        reason:
          'Deno says that a worker has ended before its descriptors are closed, and opens two sockets of its own',
        upstream: 'https://github.com/denoland/deno/pull/35657',
        sometimes: true,
      },
      {
        title: 'C9 stop() resolves within 100 ms',
        error: 'its thread is still there',
        reason: 'the case counts threads, and Deno starts some of its own meanwhile',
        sometimes: true,
      },
      {
        title: 'C38 signals lose nothing',
        reason:
          "Deno's process.on() takes effect later than it returns: the first signal may end the process",
        sometimes: true,
      },
      {
        title: 'C90 where a list throws',
        reason:
          'the process of this case is not told to have ended: in the middle of the suite only; alone, and started by hand, the case passes',
        sometimes: true,
      },
      {
        title: 'C79 adopt refuses what is no connected socket',
        reason: 'the numbers of node:fs are no descriptors on Deno, so the file to be refused is not there',
      },
    ],
  },
  bun: {
    drives: ['thread'],
    unavailable: { libuv: "Bun's libuv symbols abort the process" },
    failures: [],
  },
}
