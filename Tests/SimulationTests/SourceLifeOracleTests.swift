import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// Sources of one partition that fall silent, come back, are retired and resumed, at random moments
/// and in any order, with gateways that ended but whose packets come later. The time that is
/// derived from all of them is compared with a separate calculation over the list of packets. The
/// machine is restored from its bytes at random places. In some worlds one source has delayed data,
/// and nodes over several sources name sources or none: this time waits for all of them. To run one
/// world: `TAPELINE_SEED=7`.
@Suite("The life of sources and the oracle") struct SourceLifeOracleTests {
    @Test("the derived time waits for exactly those sources that are neither silent nor retired")
    func life() throws {
        var seen = SourceLifeWorld.Seen()
        for seed in Seeds(fixed: 1...60).all() {
            var world = try SourceLifeWorld(seed: seed)
            guard try world.run(&seen) else { return }
        }
        #expect(
            min(seen.silences, seen.retirements, seen.returns) >= Seeds.least(100), "\(seen)")
        #expect(seen.lateReturns >= Seeds.least(10), "\(seen)")
    }
}

private struct SourceLifeWorld {
    /// How often things happened, so that no world is empty.
    struct Seen {
        var silences = 0
        var retirements = 0
        var returns = 0
        /// Returns of a source below the time that was reached without it.
        var lateReturns = 0
    }

    /// A packet of the tape, as the oracle keeps it.
    private struct Entry {
        var source: Int
        var epoch: UInt64
        var isRetirement: Bool
        var sent: Int64
        var watermark: Int64
    }

    private static let second: Int64 = 1_000_000_000
    private static let silentAfter = 5 * second
    private static let start = 1_700_000_000 * second
    private static let delay = 900 * second

    private let seed: UInt64
    private var random: SeededRandom
    private let names: [SourceName]
    private let program: GraphProgram
    private var log: [Entry] = []
    /// By source, the greatest watermark in the log; `Int64.min` while it has given none.
    private var told: [Int64]
    /// The partition's clock after each packet of the log.
    private var clock: [Int64] = []
    /// By source: its epoch, its clock's lead, its watermark, and until which step it is quiet.
    private var epochs: [UInt64]
    private let leads: [Int64]
    private var watermarks: [Int64]
    private var quietUntil: [Int]

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed)
        let count = Int.random(in: 2...4, using: &random)
        let hasDelayed = Bool.random(using: &random)
        names = try (0..<count).map { number in
            let isDelayed = hasDelayed && number == count - 1
            return try #require(SourceName(isDelayed ? "s0-delayed" : "s\(number)"))
        }
        var leads: [Int64] = []
        for _ in 0..<count {
            leads.append(Int64.random(in: -3_600...3_600, using: &random) * Self.second)
        }
        self.leads = leads
        epochs = Array(repeating: 1, count: count)
        watermarks = Array(repeating: Self.start, count: count)
        quietUntil = Array(repeating: 0, count: count)
        told = Array(repeating: Int64.min, count: count)
        let series = try BarSeriesSet(["1s"])
        var graph = GraphDefinition.simple(series)
        graph.silentAfter = Self.silentAfter
        let choices: [[[String]]] = [[], [["s0"]], [["s0"], ["s0-delayed"]], [["s0"], []]]
        let choice = Int.random(in: choices.indices, using: &random)
        for (number, sources) in choices[choice].enumerated() {
            let rule = BreadthRule(
                series: series.all[0].name, universe: [], measures: [.advanceDecline],
                sources: sources.compactMap { SourceName($0) })
            graph = graph.measuring(rule, as: "market\(number)")
        }
        program = GraphProgram(graph)
    }

    /// Returns whether the machine agreed with the oracle at every step.
    mutating func run(_ seen: inout Seen) throws -> Bool {
        var machine = GraphMachine(program)
        var whole = GraphMachine(program)
        var output = GraphOutput()
        var reached = SourceTable.noWatermark.nanoseconds
        for step in 0..<120 {
            for source in names.indices {
                guard let packet = next(source, step, &seen) else { continue }
                let wasAbsent = absent(source)
                let isTaken = packet.withBytes {
                    machine.take(packet.header, $0, into: &output)
                        && whole.take(packet.header, $0, into: &output)
                }
                note(packet.header, of: source)
                if wasAbsent, !absent(source) {
                    seen.returns += 1
                    if watermarks[source] < reached { seen.lateReturns += 1 }
                }
                reached = max(reached, least)
                guard isTaken, machine.watermark.nanoseconds == reached,
                    whole.watermark == machine.watermark
                else {
                    Issue.record(
                        """
                        TAPELINE_SEED=\(seed), step \(step): \(machine.watermark) should be \
                        \(reached)
                        """
                    )
                    return false
                }
                if Int.random(in: 0..<20, using: &random) == 0 { try restore(&machine) }
            }
            seen.silences += names.indices.count { isSilent($0) }
        }
        return true
    }

    private func restore(_ machine: inout GraphMachine) throws {
        var bytes: [UInt8] = []
        machine.encode(into: &bytes)
        machine = try bytes.withRawSpan { span throws(CheckpointError) in
            try GraphMachine(program, restoring: span)
        }
        var again: [UInt8] = []
        machine.encode(into: &again)
        #expect(again == bytes, "TAPELINE_SEED=\(seed)")
    }

    /// Returns the source's packet of this second; `nil` when it sends none.
    private mutating func next(
        _ source: Int, _ step: Int, _ seen: inout Seen
    ) -> SealedPacket? {
        let now = Self.start + Int64(step) * Self.second
        let dice = Int.random(in: 0..<200, using: &random)
        if dice < 3 { quietUntil[source] = step + Int.random(in: 1...20, using: &random) }
        if dice >= 3, dice < 6 {
            // A person retires it, under an epoch above that of its gateway.
            seen.retirements += 1
            epochs[source] += 1
            quietUntil[source] = step + Int.random(in: 1...20, using: &random)
            return packet(
                source, epoch: epochs[source], retires: true, watermark: Int64.min, sent: now)
        }
        if dice == 6 {
            // A person resumes it, or a gateway opens its epoch.
            epochs[source] += 1
            return packet(source, epoch: epochs[source], watermark: Int64.min, sent: now)
        }
        if dice == 7, epochs[source] > 1 {
            // A packet of the gateway before, which was stored before its subject was fenced.
            return packet(
                source, epoch: epochs[source] - 1, watermark: watermarks[source],
                sent: now + leads[source])
        }
        guard step >= quietUntil[source] else { return nil }
        if quietUntil[source] > 0, step == quietUntil[source] { epochs[source] += 1 }
        watermarks[source] = now - Int64.random(in: 0...2, using: &random) * Self.second
        if names[source].isDelayed { watermarks[source] -= Self.delay }
        return packet(
            source, epoch: epochs[source], watermark: watermarks[source], sent: now + leads[source])
    }

    private func packet(
        _ source: Int, epoch: UInt64, retires: Bool = false, watermark: Int64, sent: Int64
    ) -> SealedPacket {
        var builder = PacketBuilder(
            kind: .watermark, partition: Partition(0), source: names[source])
        return builder.seal(
            PacketBuilder.Seal(
                epoch: epoch, firstOrdinal: UInt64(log.count + 1),
                watermark: Timestamp(nanoseconds: watermark), sendTime: Timestamp(nanoseconds: sent)
            ), flags: retires ? .retirement : [])
    }

    // MARK: the oracle

    /// Adds a packet to the log. Between two packets of one source the clock moves by the time
    /// between them on that source's clock, by two seconds at most.
    private mutating func note(_ header: PacketHeader, of source: Int) {
        let entry = Entry(
            source: source, epoch: header.epoch, isRetirement: header.retiresSource,
            sent: header.sendTime.nanoseconds, watermark: header.watermark.nanoseconds)
        let before = log.lastIndex { $0.source == source && !$0.isRetirement }
        let present = clock.last ?? 0
        log.append(entry)
        told[source] = max(told[source], entry.watermark)
        guard !entry.isRetirement, let before else {
            clock.append(present)
            return
        }
        let step = min(max(0, entry.sent - log[before].sent), 2 * Self.second)
        clock.append(max(present, clock[before] + step))
    }

    private func isSilent(_ source: Int) -> Bool {
        guard let heard = log.lastIndex(where: { $0.source == source && !$0.isRetirement }) else {
            return false
        }
        return (clock.last ?? 0) - clock[heard] >= Self.silentAfter
    }

    private func isRetired(_ source: Int) -> Bool {
        guard let last = log.lastIndex(where: { $0.source == source && $0.isRetirement }) else {
            return false
        }
        return !log[last...].contains { entry in
            entry.source == source && !entry.isRetirement && entry.epoch > log[last].epoch
        }
    }

    private func absent(_ source: Int) -> Bool { isSilent(source) || isRetired(source) }

    /// The sources that are there and have given a watermark.
    private var there: [Int] {
        names.indices.filter { !absent($0) && told[$0] > Int64.min }
    }

    /// The least of the last watermarks of the sources that are there.
    private var least: Int64 { there.map { told[$0] }.min() ?? Int64.min }
}
