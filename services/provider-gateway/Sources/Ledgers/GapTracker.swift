import MarketModel
import Primitives
import TapeCodec
import TapeTransport
import ServiceRuntime

/// Keeps the ledgers of a source's gaps during one tenure. It follows the packets that the tape
/// acknowledges, has the ledgers stored, and offers the gap records that the gateway itself has to
/// write. One thread owns it.
///
/// A *ledger* says which data are missing in one partition: see `PartitionLedger`. A *settlement*
/// is a gap record by which the gateway itself ends a gap, as filled or as given up.
final class GapTracker {
    /// How often changed ledgers are stored.
    private static let changedNanoseconds: Int64 = 1_000_000_000
    /// How often positions are stored when nothing else has changed. A successor reads the packets
    /// after them.
    private static let positionNanoseconds: Int64 = 5_000_000_000

    private struct Lane {
        /// In order. The first `written` of them are in the partition's packet.
        var due: [GapHandOver.Settlement] = []
        var written = 0
    }

    /// By partition number.
    private(set) var ledgers: [PartitionLedger]
    /// The maximum of gaps that have ended and wait to be filled. Beyond it the oldest are given
    /// up.
    private let gapsMax: Int
    private let source: SourceName
    private let followed: FollowedProviders
    private let recorder: GapRecorder
    private let telemetry: TelemetryHub
    private let metrics: GapMetrics
    /// How the ledgers were brought up to date, for the report about it.
    private let recovered: GapRecovery
    /// The settlements to write, per partition.
    private var lanes: [Lane]
    /// Per partition: whether its gaps or subscriptions have changed since they were stored.
    private var isChanged: [Bool]
    /// Per partition: the position that was stored last.
    private var stored: [PartitionLedger.Position]
    /// The monotonic times of the last stored changes, and of the last stored positions.
    private var changedAt = MonotonicTime.distantPast
    private var positionAt = MonotonicTime.distantPast
    /// Whether `counted` is up to date.
    private var isCounted = false
    /// Gaps that were given up, whose records are not on the tape yet.
    private var givenUp: Set<Key> = []
    /// The number of missing parts, and when the earliest begins.
    private var counted = (missing: 0, oldest: Timestamp.undefined)

    init(
        _ recovered: GapRecovery, _ recorder: GapRecorder, source: SourceName,
        followed: FollowedProviders = FollowedProviders(), telemetry: TelemetryHub,
        gapsMax: Int = ProviderLimits.gapsMax
    ) {
        self.followed = followed
        self.recovered = recovered
        self.recorder = recorder
        self.source = source
        self.telemetry = telemetry
        self.gapsMax = gapsMax
        metrics = GapMetrics(telemetry.metrics, source: source)
        let partitions = recovered.ledgers.count
        ledgers = (0..<partitions).map { recovered.ledgers[Partition($0)] ?? PartitionLedger() }
        lanes = [Lane](repeating: Lane(), count: partitions)
        isChanged = [Bool](repeating: true, count: partitions)
        stored = [PartitionLedger.Position](
            repeating: PartitionLedger.Position(), count: partitions)
    }

    // MARK: a tenure begins

    /// Whether data of the instrument are missing from the end of its partition on, because the
    /// instrument was being requested there.
    func isFed(_ symbol: Symbol, in partition: Partition) -> Bool {
        ledgers[partition.number].isFed(symbol)
    }

    /// Everything that is missing.
    var missing: [(symbol: Symbol, part: MissingPart)] { ledgers.flatMap(\.missing) }

    /// Returns the last live trade of the instrument on the tape, if the instrument was being
    /// requested there.
    func lastTrade(_ symbol: Symbol, in partition: Partition) -> LastTrade? {
        ledgers[partition.number].entries[symbol]?.ids?.last
    }

    /// Returns the newest values of the instrument on the tape, if the instrument was being
    /// requested there.
    func lastValues(_ symbol: Symbol, in partition: Partition) -> [LastValues.Value] {
        ledgers[partition.number].entries[symbol]?.values.values ?? []
    }

    /// Begins a tenure after the providers got `handOver`. `wanted` has what is requested from now
    /// on.
    func begin(_ handOver: GapHandOver, wanted: [Partition: Set<Symbol>]) {
        for number in ledgers.indices {
            ledgers[number].begin(wanted[Partition(number)] ?? [])
        }
        for settlement in handOver.settlements { settle(settlement) }
        metrics.handed(handOver.gaps.count)
        telemetry.emit(
            .gapsTaken(
                source: source, handedOver: handOver.gaps.count,
                settled: handOver.settlements.count, packets: recovered.packets))
        if !recovered.holes.isEmpty {
            telemetry.emit(.gapsUnknown(source: source, partitions: recovered.holes.count))
        }
        if handOver.tooMany > 0 {
            telemetry.emit(.gapsGivenUp(source: source, count: handOver.tooMany, max: gapsMax))
        }
    }

    /// Makes a settlement due.
    private func settle(_ settlement: GapHandOver.Settlement) {
        let partition = Partition(of: settlement.symbol, count: ledgers.count)
        lanes[partition.number].due.append(settlement)
        if settlement.state == .abandoned {
            givenUp.insert(Key(settlement.symbol, settlement.part))
        }
    }

    // MARK: what the gateway has to write

    /// Returns the partition's next settlement to write. It stays until `written` is called.
    func due(_ partition: Partition) -> GapHandOver.Settlement? {
        let lane = lanes[partition.number]
        return lane.written < lane.due.count ? lane.due[lane.written] : nil
    }

    /// Whether a settlement is to be written.
    var hasDue: Bool { lanes.contains { $0.written < $0.due.count } }

    /// Removes the partition's next settlement, whose record is in the partition's packet now.
    func written(_ partition: Partition) {
        let lane = lanes[partition.number]
        metrics.settled(lane.due[lane.written])
        lanes[partition.number].written += 1
        guard lanes[partition.number].written == lane.due.count else { return }
        lanes[partition.number] = Lane()
    }

    // MARK: acknowledged packets

    /// Takes a packet that is on the tape into its partition's ledger.
    func acknowledged(_ packet: SealedPacket, sequence: UInt64) {
        guard packet.header.kind == .ticks else { return }
        let number = packet.header.partition.number
        let taken = packet.withBytes {
            ledgers[number].take($0, packet.header, sequence: sequence, followed)
        }
        guard taken == .changed else { return }
        isChanged[number] = true
        isCounted = false
    }

    // MARK: periodic work

    /// Updates the figures and has the ledgers stored when that is due.
    func storeIfDue(now: MonotonicTime) {
        if !isCounted {
            isCounted = true
            count()
        }
        let isPositionDue = now - positionAt >= Self.positionNanoseconds
        guard isPositionDue || now - changedAt >= Self.changedNanoseconds
        else { return }
        store(all: isPositionDue, now)
    }

    private func store(all: Bool, _ now: MonotonicTime) {
        var changed: [Partition: PartitionLedger] = [:]
        for number in ledgers.indices {
            let isMoved = all && ledgers[number].position != stored[number]
            guard isChanged[number] || isMoved else { continue }
            changed[Partition(number)] = ledgers[number]
        }
        if all { positionAt = now }
        changedAt = now
        guard !changed.isEmpty, recorder.record(changed) else { return }
        for partition in changed.keys {
            isChanged[partition.number] = false
            stored[partition.number] = ledgers[partition.number].position
        }
    }

    /// Counts what is missing, and gives up the oldest gaps above the maximum.
    private func count() {
        let all = missing
        counted = (all.count, all.map(\.part.from).min() ?? .undefined)
        metrics.missing.set(Double(all.count))
        let ended = all.filter(\.part.hasEnded)
        // Keep only gaps that are still in a ledger: the others have their record on the tape.
        if !givenUp.isEmpty { givenUp.formIntersection(ended.map { Key($0.symbol, $0.part) }) }
        guard ended.count - givenUp.count > gapsMax else { return }
        let waiting = ended.filter { !givenUp.contains(Key($0.symbol, $0.part)) }
            .sorted { ($0.part.from, $0.symbol.text) < ($1.part.from, $1.symbol.text) }
        let excess = waiting.prefix(waiting.count - gapsMax)
        for (symbol, part) in excess {
            settle(
                GapHandOver.Settlement(
                    symbol: symbol, part: part, state: .abandoned, detail: GapHandOver.tooMany))
        }
        telemetry.emit(.gapsGivenUp(source: source, count: excess.count, max: gapsMax))
    }

    /// Names a missing part.
    private struct Key: Hashable {
        let symbol: Symbol
        let kind: UInt8
        let from: Timestamp

        init(_ symbol: Symbol, _ part: MissingPart) {
            (self.symbol, kind, from) = (symbol, part.kind, part.from)
        }
    }

    // MARK: the end

    /// Has everything stored, and ends the recorder's thread.
    func stop(within timeout: Duration) {
        store(all: true, .distantPast)
        recorder.stop(within: timeout)
    }

    // MARK: state for others

    struct Status: Sendable {
        /// The number of missing parts.
        var missing = 0
        /// The beginning of the earliest gap; undefined when there is none.
        var oldest = Timestamp.undefined
        var stored = GapRecorder.Status()
    }

    var status: Status {
        Status(missing: counted.missing, oldest: counted.oldest, stored: recorder.status)
    }
}
