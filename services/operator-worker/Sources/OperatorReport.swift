import MarketModel
import Membership
import OperatorGraph
import Primitives
import StreamCore
import Synchronization
import TapeCodec

/// The last report of the worker's thread about its partitions, for the operations port's thread.
final class OperatorReport: Sendable {
    /// The report about one owned partition.
    struct Line: Sendable {
        let partition: Partition
        let tenure: Tenure
        /// Why it makes no bars at the moment; `nil` while it works.
        let problem: String?
        let symbols: Int
        let openWindows: Int
        let watermark: Timestamp
        /// The sources with their watermarks, and whether each is silent.
        let sources: [GraphMachine.HeardSource]
        /// The ordinal of the last computed output; 0 for none.
        let outputOrdinal: UInt64
        let tally: PartitionTally
        /// The account of its machine; `nil` before it has one.
        let counters: BarCounters?
        /// Symbols, and days from a provider, for which nodes over all partitions had no room.
        let symbolsRefused: UInt64
        let daysRefused: UInt64
        /// The last checkpoint that this worker stored; `nil` without one.
        let checkpoint: PartitionSlot.Kept?
        /// Its age in seconds; `nil` without one.
        let checkpointAge: Double?
        let repairs: Repairs

        /// How it is owned, and how far it has read.
        struct Tenure: Sendable {
            /// Whether it is the share over all partitions.
            let isOverAll: Bool
            /// `PartitionSlot.Stage.name`.
            let stage: String
            /// The epoch of its lane.
            let epoch: UInt64
            /// The previous owner; `nil` when there was none.
            let previous: MemberName?
            /// The last packet that its reader took; `nil` when there is none.
            let input: TapePosition?
            /// `start`, `checkpoint` or `base`; empty before that is decided.
            let way: String
            /// Whether its bars are being made anew, which ends by itself.
            let isMadeAnew: Bool
        }

        struct Repairs: Sendable {
            /// Whether ranges have to be computed again before the next packet is taken.
            let areDue: Bool
            /// The reading for a repair; `nil` when none is under way.
            let reading: RepairReading?
            let done: PartitionSlot.Repairs
        }

        init(
            _ slot: PartitionSlot, epoch: UInt64, input: TapePosition?, problem: String?,
            now: MonotonicTime, repair: RepairReading? = nil, isOverAll: Bool = false
        ) {
            let core = slot.core
            partition = slot.partition
            tenure = Tenure(
                isOverAll: isOverAll, stage: slot.stage.name, epoch: epoch,
                previous: slot.claim?.previous, input: input, way: slot.progress.way,
                isMadeAnew: core.map { $0.stopped == nil && !$0.hasBegunLine } ?? false)
            checkpoint = slot.checkpoints.last
            checkpointAge = slot.checkpoints.last.map { Double(now - $0.at) / 1e9 }
            self.problem = problem
            symbols = core?.universe?.symbols ?? core?.machine.symbols.count ?? 0
            openWindows = core?.universe?.openWindows ?? core?.machine.openWindows ?? 0
            watermark = core?.watermark ?? SourceTable.noWatermark
            sources = core?.machine.heardSources ?? []
            outputOrdinal = (core?.ledger.nextOrdinal ?? 1) - 1
            tally = core?.tally ?? PartitionTally()
            counters = core?.machine.counters
            symbolsRefused = core?.universe?.symbolsRefused ?? 0
            daysRefused = core?.machine.daysRefused ?? 0
            repairs = Repairs(
                areDue: core?.hasRepair ?? false, reading: repair, done: slot.repairs)
        }
    }

    private struct Reported {
        var lines: [Line] = []
        var calendars: CalendarWatch?
        var sources: SourceWatch?
    }

    /// The hash of the worker's graph, and the generation of its bars.
    private let graph: UInt64
    private let generation: UInt32
    private let reported = Mutex(Reported())

    init(_ settings: OperatorSettings) {
        graph = settings.definition
        generation = settings.generation
    }

    /// Replaces the report. The worker's thread calls it four times a second.
    func update(_ lines: [Line], _ calendars: CalendarWatch, _ sources: SourceWatch) {
        reported.withLock { $0 = Reported(lines: lines, calendars: calendars, sources: sources) }
    }

    /// Writes the section "operator" of /status. The operations port's thread calls it.
    func write(into json: inout JSONWriter) {
        let reported = reported.withLock { $0 }
        json.member("graph", String(graph, radix: 16))
        json.member("generation", generation)
        reported.calendars?.write(into: &json)
        reported.sources?.write(into: &json)
        json.array("partitions") { json in for line in reported.lines { write(line, into: &json) } }
    }

    private func write(_ line: Line, into json: inout JSONWriter) {
        json.object { json in
            json.member("partition", line.partition.number)
            json.member("scope", line.tenure.isOverAll ? "all" : "partition")
            json.member("stage", line.tenure.stage)
            json.member("epoch", line.tenure.epoch)
            json.member("previous_owner", line.tenure.previous?.text)
            json.member("problem", line.problem)
            json.member("made_anew", line.tenure.isMadeAnew)
            json.member("input_sequence", line.tenure.input?.sequence ?? 0)
            json.member("sources", each: line.tenure.input?.sources ?? []) { source, json in
                json.member("source", source.source.text)
                json.member("last_ordinal", source.lastOrdinal)
            }
            json.member("recovery", line.tenure.way)
            writeCheckpoint(line, into: &json)
            json.member("output_ordinal", line.outputOrdinal)
            json.member("published", line.tally.published)
            json.member("suppressed", line.tally.suppressed)
            json.member("symbols", line.symbols)
            json.member("open_windows", line.openWindows)
            let hasWatermark = line.watermark != SourceTable.noWatermark
            json.member("watermark", hasWatermark ? line.watermark.description : nil)
            json.member("trades", line.counters?.received ?? 0)
            json.member("late", line.tally.late)
            json.member("revised", line.tally.revised)
            json.member("duplicates", line.tally.duplicates)
            json.member("undecidable", line.tally.machine.undecidable)
            json.key("joined")
            json.object { json in
                json.member("paired", line.tally.machine.joined.paired)
                json.member("conflated", line.tally.machine.joined.conflated)
                json.member("none", line.tally.machine.joined.alone)
            }
            json.key("books")
            json.object { json in
                for (state, count) in BookCounters.states {
                    json.member(state, line.tally.machine.books[keyPath: count])
                }
            }
            json.key("excluded")
            json.object { json in
                for (reason, count) in ExcludedTicks.reasons {
                    json.member(reason, line.tally.machine.excluded[keyPath: count])
                }
            }
            json.member("symbols_refused", line.symbolsRefused)
            json.member("days_refused", line.daysRefused)
            writeRepair(line, into: &json)
        }
    }

    private func writeCheckpoint(_ line: Line, into json: inout JSONWriter) {
        json.key("checkpoint")
        guard let checkpoint = line.checkpoint else { return json.null() }
        json.object { json in
            json.member("number", checkpoint.number)
            json.member("age_seconds", line.checkpointAge ?? 0)
            json.member("input_sequence", checkpoint.sequence)
            json.member("bytes", checkpoint.byteCount)
        }
    }

    private func writeRepair(_ line: Line, into json: inout JSONWriter) {
        json.key("repair")
        if let repair = line.repairs.reading {
            json.object { json in
                json.member("from", "\(repair.part.from)")
                json.member("pass", repair.step)
                json.member("sequence", repair.sequence)
                json.member("until_sequence", repair.part.until.sequence)
                json.member("packets", repair.pass.packets)
            }
        } else if line.repairs.areDue {
            json.value("waiting for its turn")
        } else {
            json.null()
        }
        json.member("last_repair", line.repairs.done.last)
        json.key("repairs_left_out")
        json.object { json in
            json.member("windows", line.repairs.done.omissions.windows)
            json.member("withdrawals", line.repairs.done.omissions.withdrawals)
            json.member("changes", line.repairs.done.omissions.changes)
            json.member("places", line.repairs.done.omissions.unplaced)
            json.member("ticks", line.repairs.done.omissions.unassigned)
        }
    }
}
