import type { Caller } from './caller'
import type { Connection } from './connection'
import type { PeerReport } from './peers'

/** Holds what the peers have met against what the caller knows; what does not agree is a fault of the caller's list. */
export function compare(caller: Caller, reports: readonly PeerReport[]): void {
  const bySentKey = new Map<number, Connection>()
  for (const connection of caller.connections.values()) bySentKey.set(connection.writer.key, connection)
  const received = new Map<number, PeerReport>()
  for (const report of reports) {
    const at = describe(report)
    if (report.fault !== undefined) caller.fault(`${at} received a foreign byte: ${report.fault}`)
    const mine = caller.sender(report.key)
    if (mine) compareReceived(caller, mine, report, at)
    if (report.from === undefined) continue
    const twin = received.get(report.from)
    if (twin)
      caller.fault(`${at} and ${twin.local} of ${twin.remote} received the same stream, ${report.from}`)
    received.set(report.from, report)
    const theirs = bySentKey.get(report.from)
    if (!theirs) caller.fault(`${at} received the stream ${report.from}, which nobody sent`)
    else compareSent(caller, theirs, report, at)
  }
}

function describe({ local, remote, read, end, after, code }: PeerReport): string {
  const ends = after === undefined ? end : `${end} after ${after} ms`
  return `the peer ${local} of ${remote} (reads ${read}, ends with ${ends}${code === undefined ? '' : `, ${code}`})`
}

/** What came on an id against what its peer sent. */
function compareReceived(caller: Caller, mine: Connection, report: PeerReport, at: string): void {
  const { reader } = mine
  if (!sameAddress(mine.them, report.local) || !sameAddress(mine.me, report.remote))
    caller.fault(`${mine} is ${mine.me} of ${mine.them}, and received the stream of ${at}`)
  // A send that was cut short may have left more in the kernel than its peer counts.
  if (report.ended && reader.received > report.sent)
    caller.fault(`${mine} received ${reader.received} bytes of ${report.sent} from ${at}`)
  if (!mine.hadEof) return
  caller.count('streams compared')
  // On a Unix socket a reset is a close (C68).
  const closes = report.end === 'close' || (report.end === 'reset' && report.remote.startsWith('unix:'))
  if (!report.ended && !closes) caller.fault(`${mine} had an end of stream that ${at} did not send`)
  else if (report.ended && reader.received !== report.sent)
    caller.fault(`${mine} had an end of stream after ${reader.received} of ${report.sent} bytes from ${at}`)
}

/** What was sent on an id against what its peer received. */
function compareSent(caller: Caller, theirs: Connection, report: PeerReport, at: string): void {
  const { writer, unsent } = theirs
  if (!sameAddress(theirs.them, report.local) || !sameAddress(theirs.me, report.remote))
    caller.fault(`${at} received the stream of ${theirs}, which is ${theirs.me} of ${theirs.them}`)
  if (report.received > writer.taken)
    caller.fault(`${at} received ${report.received} bytes of ${writer.taken} from ${theirs}`)
  // A close before the peer's end may leave bytes unread, which makes it a reset (C69); and a peer that does not read
  // takes a reset for an end.
  if (!report.sawEnd || !theirs.hadEof || theirs.hadError || !theirs.closed || theirs.reset) return
  caller.count('streams compared')
  if (report.received !== writer.taken - unsent)
    caller.fault(
      `${at} had an end of stream after ${report.received} of ${writer.taken} - ${unsent} bytes from ${theirs}`,
    )
}

/** Unix sockets that connect have no address, and an id whose connect nobody was told of has none yet. */
function sameAddress(mine: string, theirs: string): boolean {
  return mine === theirs || mine.startsWith('unix:') || theirs.startsWith('unix:') || mine === ''
}
