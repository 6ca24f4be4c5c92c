import { Download, type DownloadPlan, type DownloadResult } from '../src/ibd/download'
import { openTransport, parseBenchRow } from '../src/rows/row'

/** Two peers, each block once. */
export const PLAN: DownloadPlan = {
  addresses: [],
  peers: 2,
  network: 'regtest',
  verify: 'checksum',
  laps: 1,
  warmUpLaps: 0,
  stallTimeout: 800,
  maxBlocks: 1_000_000,
  countOnly: false,
}

/** Downloads over a row. @param lines takes what is said about dropped peers */
export async function download(
  row: string,
  plan: Partial<DownloadPlan>,
  lines: string[] = [],
): Promise<{ result: DownloadResult; lines: string[] }> {
  const transport = await openTransport(parseBenchRow(row))
  try {
    return {
      result: await new Download(transport, { ...PLAN, ...plan }, (line) => lines.push(line)).run(),
      lines,
    }
  } finally {
    await transport.stop()
  }
}
